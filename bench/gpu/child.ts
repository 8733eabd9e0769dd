// Runs a task in a process of its own and collects what it tells.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Task, TaskResult } from './tasks.js';
import type { Told } from './worker.js';

const WORKER = fileURLToPath(new URL('./worker.js', import.meta.url));

/** A task ends by itself when its time is up; one that hangs in the driver is killed so long after. */
const GRACE_MS = 20_000;

/** Rejects with what the task failed with, or how its process ended. */
export async function inOwnProcess(task: Task, onResult: (result: TaskResult) => void): Promise<void> {
  const child = fork(WORKER, { stdio: ['ignore', 2, 2, 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), task.seconds * 1000 + GRACE_MS);
  let outcome: Exclude<Told, TaskResult> | undefined;
  child.on('message', (message) => {
    const told = message as Told;
    if ('failure' in told || 'ended' in told) outcome = told;
    else onResult(told);
  });
  child.send(task, () => {}); // a process that cannot be told ends, which is noticed below
  // The last message may come after the exit, but not after the channel is closed.
  const [[code, killedBy]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  clearTimeout(timer);
  if (outcome === undefined) throw new Error(`its process ended early: ${killedBy ?? `exit code ${code}`}`);
  if ('failure' in outcome) throw new Error(outcome.failure);
}
