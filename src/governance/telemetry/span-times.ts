// The times of one span, by the clock of governance. What happens in one go has one time: reading the clock for each of
// its events is what events would mostly cost.
import type { HrTime } from '@opentelemetry/api';
import type { Clock } from '../clock.js';

const NANOSECONDS_PER_MS = 1e6;
const MOST_NANOSECONDS = 999_999_999;

export class SpanTimes {
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly start: HrTime;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #now: HrTime | undefined;

  /** The span begins now. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.startMs = clock.now();
    this.#startedMs = clock.monotonic();
    this.start = hrTime(this.startMs);
    this.#now = this.start;
  }

  /** The time of whatever happens until `pass`. */
  get now(): HrTime {
    this.#now ??= hrTime(this.startMs + this.elapsedMs);
    return this.#now;
  }

  /** Since the beginning. A machine whose clock is set meanwhile does not change it. */
  get elapsedMs(): number {
    return this.#clock.monotonic() - this.#startedMs;
  }

  /** Time goes by: something is waited for. */
  pass(): void {
    this.#now = undefined;
  }
}

/** As OpenTelemetry takes times: seconds, and nanoseconds within the second. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = Math.round((ms - seconds * 1000) * NANOSECONDS_PER_MS);
  return [seconds, Math.min(nanoseconds, MOST_NANOSECONDS)];
}
