// Time as governance sees it: passed in wherever a decision depends on it, so that tests own it.
import { invalidOption, rule } from '../options.js';

export interface Clock {
  /** Milliseconds since the epoch: for windows that follow the calendar and for records. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start, never going back: for durations and waits. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

export const clockRule = rule.methods('now', 'monotonic');

/** @throws InvalidInputError for what is no clock */
export function requireClock(caller: string, clock: unknown): void {
  const expected = clockRule(clock);
  if (expected) throw invalidOption(caller, 'clock', clock, expected);
}
