// An end to attempts that hang: a second line behind the `timeoutMs` that providers heed themselves. One timer watches
// over all attempts, since one each would cost a call more than most of what governance does.
import { TimeoutError } from '../errors.js';
import type { Clock } from './clock.js';

/** What a provider gets beyond its limit, to end the attempt itself and tell what was spent. */
const GRACE_MS = 1000;
const PERIOD_MS = 500;

/** An attempt under way. */
export class WatchedAttempt<T> {
  /** Settles as the attempt does, or with TimeoutError `INHOUSE_TIMEOUT` a second or two after its limit. */
  readonly answer: Promise<T>;
  /** In the list of those under way; -1 when it is not there any more. */
  index = -1;
  #reject!: (error: TimeoutError) => void;

  constructor(
    attempt: Promise<T>,
    readonly timeoutMs: number,
    readonly dueMs: number,
  ) {
    this.answer = new Promise((resolve, reject) => {
      this.#reject = reject;
      attempt.then(resolve, reject);
    });
  }

  giveUp(): void {
    const { timeoutMs } = this;
    const message = `No answer within ${timeoutMs} ms.`;
    this.#reject(new TimeoutError('INHOUSE_TIMEOUT', message, { details: { timeoutMs } }));
  }
}

export class AttemptWatch {
  readonly #clock: Clock;
  /** In no order. Not a set, which makes itself anew after every few that come and go. */
  readonly #underWay: WatchedAttempt<unknown>[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What still comes of an attempt after its end goes unheard. Call `end` when it has settled. */
  begin<T>(attempt: Promise<T>, timeoutMs: number): WatchedAttempt<T> {
    const watched = new WatchedAttempt(attempt, timeoutMs, this.#clock.monotonic() + timeoutMs + GRACE_MS);
    watched.index = this.#underWay.push(watched) - 1;
    this.#timer ??= setInterval(() => this.check(), PERIOD_MS).unref();
    return watched;
  }

  /** Doing it again does nothing. The last one takes its place. */
  end(watched: WatchedAttempt<unknown>): void {
    const { index } = watched;
    if (index < 0) return;
    watched.index = -1;
    const last = this.#underWay.pop()!;
    if (last === watched) return;
    this.#underWay[index] = last;
    last.index = index;
  }

  /** What the timer does. */
  check(): void {
    const now = this.#clock.monotonic();
    const overdue = this.#underWay.filter(({ dueMs }) => now > dueMs);
    for (const watched of overdue) {
      this.end(watched);
      watched.giveUp();
    }
    if (this.#underWay.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
