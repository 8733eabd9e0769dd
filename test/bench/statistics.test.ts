import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, quantile, trend } from '#bench/statistics.js';

describe('quantile', () => {
  it('interpolates between neighbours, in any order of the values', () => {
    expect(quantile([4, 1, 3, 2], 0.25)).toBe(1.75);
    expect(quantile([10, 20, 30], 0.9)).toBeCloseTo(28, 12);
    expect(quantile([7], 0.3)).toBe(7);
  });

  it('has the smallest and the largest value at its ends', () => {
    const values = fc.array(fc.integer(), { minLength: 1 });
    fc.assert(
      fc.property(values, (some) => {
        expect(quantile(some, 0)).toBe(Math.min(...some));
        expect(quantile(some, 1)).toBe(Math.max(...some));
      }),
    );
  });

  it('leaves the values in their order', () => {
    const values = [3, 1, 2];
    quantile(values, 0.5);
    expect(values).toEqual([3, 1, 2]);
  });

  it('is not a number where there are no values', () => {
    expect(quantile([], 0.5)).toBeNaN();
  });
});

it('the median is the middle value, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([1, 2, 3, 10])).toBe(2.5);
});

describe('trend', () => {
  it('is exact on a line', () => {
    expect(trend([1, 3, 5, 7])).toEqual({ slope: 2, standardError: 0 });
  });

  it('gives the slope and its standard error by least squares', () => {
    // Residuals 0.3, 0.1, -1.1, 0.7: their squares sum to 1.8, over 2 degrees of freedom and a spread of x of 5.
    const { slope, standardError } = trend([1, 2, 2, 5]);
    expect(slope).toBeCloseTo(1.2, 12);
    expect(standardError).toBeCloseTo(Math.sqrt(1.8 / 2 / 5), 12);
  });
});
