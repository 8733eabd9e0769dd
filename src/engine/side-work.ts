// Calls of the runner that belong to no generation, such as scoring: made between the engine's steps, one at a time.
// What a call computes, and for how long, is its caller's business; a call that has begun is not interrupted.
import { setMaxListeners } from 'node:events';
import { disposed, queueFull } from './refusals.js';

/** Calls for one caller, to be made one after another. */
interface Job {
  /** Makes the next call; never rejects. */
  advance(): Promise<void>;
  fail(error: unknown): void;
}

export class SideWork {
  readonly #maxWaiting: number;
  readonly #now: () => number; // milliseconds
  readonly #onWork: () => void;
  /** In the order of their turns. */
  readonly #jobs = new Set<Job>();
  #closed = false;
  /** When generations have had as long as the last call took. */
  #dueMs = Number.NEGATIVE_INFINITY;

  /** So many callers may wait, beside the one whose turn it is. `onWork` is called when there is something to do. */
  constructor(maxWaiting: number, now: () => number, onWork: () => void) {
    this.#maxWaiting = maxWaiting;
    this.#now = now;
    this.#onWork = onWork;
  }

  get waits(): boolean {
    return this.#jobs.size > 0;
  }

  /**
   * Makes these calls one after another, with those of others and the engine's steps in between; resolves with what they
   * give. Rejects with what the first of them that fails rejects with; at once, even during a call, with the signal's
   * reason when that aborts, with a `DisposedError`, and with a `QueueFullError`.
   */
  run<Result>(calls: ReadonlyArray<() => Promise<Result>>, signal?: AbortSignal): Promise<Result[]> {
    if (this.#closed) return Promise.reject(disposed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#jobs.size > this.#maxWaiting) {
      return Promise.reject(queueFull('score and embed calls', this.#jobs.size - 1, 1, this.#maxWaiting));
    }
    return new Promise((resolve, reject) => {
      const results: Result[] = [];
      const end = () => {
        this.#jobs.delete(job);
        signal?.removeEventListener('abort', abort);
      };
      const fail = (error: unknown) => {
        end();
        reject(error);
      };
      const abort = () => fail(signal?.reason);
      const advance = async () => {
        try {
          results.push(await calls[results.length]!());
          if (results.length < calls.length) return;
          end();
          resolve(results);
        } catch (error) {
          fail(error);
        }
      };
      const job: Job = { advance, fail };
      if (signal) {
        setMaxListeners(0, signal); // one signal may stop any number of jobs: that is no leak to warn of
        signal.addEventListener('abort', abort);
      }
      this.#jobs.add(job);
      this.#onWork();
    });
  }

  /** Makes the next call. While generations run it waits until they have had as long as the last one took. */
  async turn(generating: boolean): Promise<void> {
    const begin = this.#now();
    const [job] = this.#jobs;
    if (!job || (generating && begin < this.#dueMs)) return;
    await job.advance();
    if (this.#jobs.delete(job)) this.#jobs.add(job); // behind the others
    const end = this.#now();
    this.#dueMs = end + (end - begin);
  }

  failAll(error: unknown): void {
    for (const job of this.#jobs) job.fail(error);
  }

  /** Refuses what comes from now on; fails what there is, unless it may drain. */
  close(drain: boolean): void {
    this.#closed = true;
    if (!drain) this.failAll(disposed());
  }
}
