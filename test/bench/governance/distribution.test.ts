import { describe, expect, it } from 'vitest';
import { distribution, lineThrough, meanOf, overheadOf, trimmed } from '#bench/governance/distribution.js';
import { median } from '#bench/statistics.js';

describe('distribution', () => {
  it('A-54: trims one percent off either end, and at least one sample', () => {
    const values = Array.from({ length: 500 }, (_, i) => 499 - i);
    expect(trimmed(values)).toEqual(Array.from({ length: 490 }, (_, i) => i + 5));
    expect(trimmed([9, 1, 5, 3])).toEqual([3, 5]);
    expect(trimmed([3, 1, 2])).toEqual([1, 2, 3]);
  });

  it('A-54: gives mean, median, percentiles, deviation and the interval of the mean', () => {
    // Trimmed to 2, 4, 4, 4, 5, 5, 7, 9: squares about the mean of 5 sum to 32, over 7 degrees of freedom.
    const { samples, mean, median, p95, p99, deviation, interval } = distribution([
      1000, 9, 4, 5, 2, 4, 7, 4, 5, -1000,
    ]);
    expect({ samples, mean, median }).toEqual({ samples: 8, mean: 5, median: 4.5 });
    expect(p95).toBeCloseTo(7 + 0.65 * 2, 12);
    expect(p99).toBeCloseTo(7 + 0.93 * 2, 12);
    expect(deviation).toBeCloseTo(Math.sqrt(32 / 7), 12);
    const error = (1.96 * Math.sqrt(32 / 7)) / Math.sqrt(8);
    expect(interval[0]).toBeCloseTo(5 - error, 12);
    expect(interval[1]).toBeCloseTo(5 + error, 12);
  });

  it('A-54: repeated runs of the same samples agree, and leave them as they were', () => {
    const values = [5, 3, 8, 1, 9, 2];
    expect(distribution(values)).toEqual(distribution(values));
    expect(values).toEqual([5, 3, 8, 1, 9, 2]);
  });
});

describe('the line through points', () => {
  it('is exact where they lie on one', () => {
    expect(
      lineThrough([
        [0, 1],
        [1, 3],
        [2, 5],
      ]),
    ).toEqual({ slope: 2, intercept: 1, r2: 1 });
  });

  it('explains no variance where there is no trend, and all where there is no variance', () => {
    expect(
      lineThrough([
        [0, 1],
        [1, 2],
        [2, 1],
      ]),
    ).toMatchObject({ slope: 0, r2: 0 });
    expect(
      lineThrough([
        [0, 4],
        [1, 4],
      ]),
    ).toEqual({ slope: 0, intercept: 4, r2: 1 });
  });
});

describe('overheadOf', () => {
  it('A-54: is exact where every pair differs alike', () => {
    const pairs = [100, 200, 300].map((ms) => [ms, ms * 1.25] as const);
    expect(overheadOf(pairs, meanOf).percent).toBeCloseTo(25, 9);
    for (const bound of overheadOf(pairs, meanOf).interval) expect(bound).toBeCloseTo(25, 9);
  });

  it('A-54: has the interval that the standard error of the differences gives', () => {
    const pairs = Array.from({ length: 200 }, (_, i) => [100, 101 + ((i * 7) % 11) - 5] as const);
    const { percent, interval } = overheadOf(pairs, meanOf);
    const differences = pairs.map(([without, with_]) => with_ - without);
    const mean = differences.reduce((sum, ms) => sum + ms, 0) / 200;
    const deviation = Math.sqrt(differences.reduce((sum, ms) => sum + (ms - mean) ** 2, 0) / 199);
    const error = (1.96 * deviation) / Math.sqrt(200);
    expect(percent).toBeCloseTo(mean, 9);
    expect(interval[0]).toBeGreaterThan(mean - 1.15 * error);
    expect(interval[0]).toBeLessThan(mean - 0.85 * error);
    expect(interval[1]).toBeGreaterThan(mean + 0.85 * error);
    expect(interval[1]).toBeLessThan(mean + 1.15 * error);
    expect(overheadOf(pairs, meanOf)).toEqual({ percent, interval });
    const [wild, ...rest] = pairs;
    expect(overheadOf([[wild![0], 1e6], ...rest], median).percent).toBeCloseTo(1, 9);
  });
});
