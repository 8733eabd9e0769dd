import { expect, it } from 'vitest';
import { CallTimes } from '#inhouse/governance/call-times.js';
import { FakeClock } from '../support/fake-clock.js';

const START_MS = Date.UTC(2026, 1, 3, 4, 5, 6, 789);

it('has one time for what happens in one go, and another once something was waited for', () => {
  const clock = new FakeClock(START_MS);
  const times = new CallTimes(clock);
  clock.advance(5);
  expect(times.elapsedMs).toBe(0);
  times.pass();
  clock.advance(2);
  expect(times.elapsedMs).toBe(7);
  clock.advance(1);
  expect(times.elapsedMs).toBe(7);
  expect(times.startMs).toBe(START_MS);
});

it('tells the time in seconds and nanoseconds, of which there are never a thousand million', () => {
  const clock = new FakeClock(START_MS);
  const times = new CallTimes(clock);
  expect(times.now).toEqual([(START_MS - 789) / 1000, 789_000_000]);
  clock.advance(211.25);
  times.pass();
  expect(times.now).toEqual([(START_MS + 211) / 1000, 250_000]);
  expect(new CallTimes(new FakeClock(999.9999999)).now).toEqual([0, 999_999_999]);
});

it('a machine whose calendar is set does not change how long a call took', () => {
  const clock = new FakeClock(START_MS);
  const times = new CallTimes(clock);
  clock.setNow(0);
  clock.advance(3);
  times.pass();
  expect(times.elapsedMs).toBe(3);
  expect(times.now).toEqual([(START_MS - 789) / 1000, 792_000_000]);
});
