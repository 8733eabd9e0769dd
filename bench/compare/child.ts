// Runs one task in a process of its own, so that its memory is only its own and a crash takes nothing else along.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RunnerError } from '../../src/errors.js';
import type { QualitySample, QualityTask } from './quality.js';
import type { SpeedSample, SpeedTask } from './speed.js';
import type { Answer, Task } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/**
 * Rejects with the signal's reason when aborted, and with a `RunnerError` (`INHOUSE_RUNTIME_STEP`) when the task fails or
 * its process ends without an answer. The process is gone when the promise is settled.
 */
export function inOwnProcess(task: SpeedTask, signal: AbortSignal): Promise<SpeedSample>;
export function inOwnProcess(task: QualityTask, signal: AbortSignal): Promise<QualitySample>;
export async function inOwnProcess(task: Task, signal: AbortSignal): Promise<SpeedSample | QualitySample> {
  signal.throwIfAborted();
  const child = fork(WORKER, {
    execArgv: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  let answer: Answer | undefined;
  child.on('message', (message) => {
    answer = message as Answer;
  });
  child.send(task, () => {}); // a process that cannot be told ends, which is noticed below
  // The last message may come after the exit, but not after the channel is closed.
  const [[code, killedBy]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  signal.removeEventListener('abort', kill);
  signal.throwIfAborted();
  if (answer?.ok) return answer.sample;
  const endedEarly =
    `The process that measured it ended early (${killedBy ?? `exit code ${code}`}); ` +
    'SIGKILL often means that memory ran out.';
  throw new RunnerError('INHOUSE_RUNTIME_STEP', answer?.message ?? endedEarly);
}
