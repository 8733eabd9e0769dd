// Tasks spread over worker threads: the first failure, or the caller's signal, ends them all.
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { ArtefactError } from '../../errors.js';

export interface WorkersOptions {
  /** Threads. Default: as many as the process may use. */
  readonly workers?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Gives each task to the default export of `script`, and each of its results, as they come, to `onResult`. Rejects with
 * the first error of `onResult`, with the signal's reason, or with an ArtefactError `INHOUSE_QUANTIZE_FAILED` where a
 * thread fails or ends. However it ends, the threads have ended before.
 */
export async function runInWorkers<Task, Result>(
  script: URL,
  tasks: readonly Task[],
  onResult: (result: Result) => void,
  { workers = availableParallelism(), signal }: WorkersOptions,
): Promise<void> {
  signal?.throwIfAborted();
  const threads = Math.min(workers, Math.max(tasks.length, 1));
  const pool = new Piscina({ filename: script.href, minThreads: threads, maxThreads: threads });
  const ended = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    // Also takes the result that a thread sent while it was being ended, and that no task waits for any more.
    pool.on('error', (cause) => reject(crash(cause)));
    const once = { once: true, signal: ended.signal };
    signal?.addEventListener('abort', () => reject(signal.reason as unknown), once);
  });
  const run = (task: Task): Promise<Result> =>
    pool.run(task).catch((cause: unknown) => {
      throw crash(cause);
    });
  try {
    await Promise.race([Promise.all(tasks.map(async (task) => onResult(await run(task)))), stopped]);
  } finally {
    ended.abort();
    await pool.destroy();
  }
}

function crash(cause: unknown): ArtefactError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new ArtefactError(
    'INHOUSE_QUANTIZE_FAILED',
    `A thread that converts weights failed: ${reason}. If memory ran out, use fewer threads.`,
    { cause },
  );
}
