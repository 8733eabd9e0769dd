// An end to attempts that hang: a second line behind the `timeoutMs` that providers heed themselves. One timer watches
// over all attempts, since one each would cost a call more than most of what governance does.
import { TimeoutError } from '../errors.js';
import type { Clock } from './clock.js';

/** What a provider gets beyond its limit, to end the attempt itself and tell what was spent. */
const GRACE_MS = 1000;
const PERIOD_MS = 500;

class Watched {
  /** In the list of those under way; -1 when it is not there any more. */
  index = -1;

  constructor(
    readonly timeoutMs: number,
    readonly dueMs: number,
    readonly reject: (error: TimeoutError) => void,
  ) {}

  giveUp(): void {
    const { timeoutMs } = this;
    const message = `No answer within ${timeoutMs} ms.`;
    this.reject(new TimeoutError('INHOUSE_TIMEOUT', message, { details: { timeoutMs } }));
  }
}

export class AttemptWatch {
  readonly #clock: Clock;
  /** In no order. Not a set, which makes itself anew after every few that come and go. */
  readonly #underWay: Watched[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Settles as `attempt` does, or with TimeoutError `INHOUSE_TIMEOUT` a second or two after `timeoutMs` have passed. What
   * still comes of the attempt then goes unheard.
   */
  within<T>(timeoutMs: number, attempt: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const watched = new Watched(timeoutMs, this.#clock.monotonic() + timeoutMs + GRACE_MS, reject);
      watched.index = this.#underWay.push(watched) - 1;
      this.#timer ??= setInterval(() => this.check(), PERIOD_MS).unref();
      attempt.then(
        (answer) => {
          this.#forget(watched);
          resolve(answer);
        },
        (error) => {
          this.#forget(watched);
          reject(error);
        },
      );
    });
  }

  /** What the timer does. */
  check(): void {
    const now = this.#clock.monotonic();
    const overdue = this.#underWay.filter(({ dueMs }) => now > dueMs);
    for (const watched of overdue) {
      this.#forget(watched);
      watched.giveUp();
    }
    if (this.#underWay.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Puts the last one in its place. */
  #forget(watched: Watched): void {
    const { index } = watched;
    if (index < 0) return;
    watched.index = -1;
    const last = this.#underWay.pop()!;
    if (last === watched) return;
    this.#underWay[index] = last;
    last.index = index;
  }
}
