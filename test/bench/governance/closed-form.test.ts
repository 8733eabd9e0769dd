import { describe, expect, it } from 'vitest';
import { expectedRetries } from '#bench/governance/closed-form.js';

const WAITS_MS = [1000, 2000, 4000];

describe('expected retries', () => {
  it.each([
    { percent: 10, attempts: 1.111, success: 99.99, waitMs: 124 },
    { percent: 25, attempts: 1.328, success: 99.61, waitMs: 437.5 },
    { percent: 50, attempts: 1.875, success: 93.75, waitMs: 1500 },
  ])(
    'of independent failures of $percent % are those of the closed form',
    ({ percent, attempts, success, waitMs }) => {
      const expected = expectedRetries(percent / 100, WAITS_MS, 10_000);
      expect(expected.attempts.mean).toBeCloseTo(attempts, 3);
      expect(expected.successPercent.mean).toBeCloseTo(success, 2);
      expect(expected.waitMs.mean).toBeCloseTo(waitMs, 6);
    },
  );

  it('deviate as much as independent draws do', () => {
    const { attempts, successPercent, waitMs } = expectedRetries(0.5, [1000], 400);
    // Two attempts at most: one with a half, two with a half; success with three quarters.
    expect(attempts.deviation).toBeCloseTo(0.5 / 20, 12);
    expect(waitMs.deviation).toBeCloseTo(500 / 20, 12);
    expect(successPercent.deviation).toBeCloseTo((100 * Math.sqrt(0.75 * 0.25)) / 20, 12);
  });

  it('are certain where nothing or everything fails', () => {
    expect(expectedRetries(0, WAITS_MS, 10).attempts).toEqual({ mean: 1, deviation: 0 });
    expect(expectedRetries(1, WAITS_MS, 10)).toEqual({
      attempts: { mean: 4, deviation: 0 },
      successPercent: { mean: 0, deviation: 0 },
      waitMs: { mean: 7000, deviation: 0 },
    });
  });
});
