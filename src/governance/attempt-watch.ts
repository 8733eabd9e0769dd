// An end to attempts that hang: a second line behind the `timeoutMs` that providers heed themselves. One timer watches
// over all attempts, since one each would cost a call more than most of what governance does.
import { TimeoutError } from '../errors.js';
import type { Clock } from './clock.js';

/** What a provider gets beyond its limit, to end the attempt itself and tell what was spent. */
const GRACE_MS = 1000;
const PERIOD_MS = 500;

class Watched {
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
  readonly #underWay = new Set<Watched>();
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
      this.#underWay.add(watched);
      this.#timer ??= setInterval(() => this.check(), PERIOD_MS).unref();
      attempt.then(
        (answer) => {
          this.#underWay.delete(watched);
          resolve(answer);
        },
        (error) => {
          this.#underWay.delete(watched);
          reject(error);
        },
      );
    });
  }

  /** What the timer does. */
  check(): void {
    const now = this.#clock.monotonic();
    for (const watched of this.#underWay) {
      if (now <= watched.dueMs) continue;
      this.#underWay.delete(watched);
      watched.giveUp();
    }
    if (this.#underWay.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
