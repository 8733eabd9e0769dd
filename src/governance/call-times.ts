// The times of one call. What happens in one go, with nothing waited for, has one time: reading the clock for every
// event, duration and record is what they would mostly cost. So they agree, too.
import type { Clock } from './clock.js';

const NANOSECONDS_PER_MS = 1e6;
const MOST_NANOSECONDS = 999_999_999;

/** Seconds since the epoch, and nanoseconds within the second: as OpenTelemetry takes a time. */
export type SecondsAndNanoseconds = [number, number];

export class CallTimes {
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly #clock: Clock;
  readonly #startedMs: number;
  #elapsedMs: number | undefined = 0;
  #now: SecondsAndNanoseconds | undefined;

  /** The call begins now. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.startMs = clock.now();
    this.#startedMs = clock.monotonic();
  }

  /** Milliseconds since the beginning; a machine whose clock is set meanwhile does not change it. */
  get elapsedMs(): number {
    this.#elapsedMs ??= this.#clock.monotonic() - this.#startedMs;
    return this.#elapsedMs;
  }

  /** The beginning, and what has elapsed since. */
  get now(): SecondsAndNanoseconds {
    this.#now ??= split(this.startMs + this.elapsedMs);
    return this.#now;
  }

  /** Time has gone by: something was waited for. */
  pass(): void {
    this.#elapsedMs = undefined;
    this.#now = undefined;
  }
}

function split(ms: number): SecondsAndNanoseconds {
  const seconds = Math.floor(ms / 1000);
  const nanoseconds = Math.round((ms - seconds * 1000) * NANOSECONDS_PER_MS);
  return [seconds, Math.min(nanoseconds, MOST_NANOSECONDS)];
}
