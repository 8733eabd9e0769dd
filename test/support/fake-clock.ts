// A clock that stands still until a test moves it.
import type { Clock } from '#inhouse/governance/clock.js';

export class FakeClock implements Clock {
  #now: number;
  #monotonic = 0;

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += ms;
  }

  /** What an operator or a time server does: the calendar jumps, durations do not. */
  setNow(now: number): void {
    this.#now = now;
  }
}
