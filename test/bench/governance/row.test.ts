import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { distribution } from '#bench/governance/distribution.js';
import { judged, type Measurement, statisticRows, verdictOf } from '#bench/governance/row.js';

const MEASURED: Measurement = {
  id: 'A-36',
  name: 'check',
  plane: 'G',
  ours: 3,
  unit: 'µs',
  target: { atMost: 8.2 },
};

describe('a verdict', () => {
  it.each([
    [8.2, { atMost: 8.2 }, undefined, 'met'],
    [8.3, { atMost: 8.2 }, undefined, 'not met'],
    [8.3, { atMost: 8.2 }, { atMost: 10 }, 'acceptable'],
    [10.1, { atMost: 8.2 }, { atMost: 10 }, 'not met'],
    [50, { atLeast: 50 }, undefined, 'met'],
    [49.9, { atLeast: 50 }, { atLeast: 10 }, 'acceptable'],
    [9, { atLeast: 50 }, { atLeast: 10 }, 'not met'],
    [37, { between: [37, 37] }, undefined, 'met'],
    [38, { between: [37, 37] }, undefined, 'not met'],
    [-1, { between: [-1, 1] }, undefined, 'met'],
    [-1.1, { between: [-1, 1] }, undefined, 'not met'],
    [5, undefined, undefined, 'no target'],
  ] as const)('of %s against %j, acceptable %j, is %s', (ours, target, acceptable, verdict) => {
    expect(verdictOf(ours, target, acceptable)).toBe(verdict);
  });

  it('of what is not a number is that it does not hold', () => {
    for (const target of [{ atMost: 1 }, { atLeast: 1 }, { between: [0, 1] }] as const) {
      expect(verdictOf(Number.NaN, target, target)).toBe('not met');
    }
  });

  it('never gets worse by a smaller number where at most is asked for', () => {
    const order = ['met', 'acceptable', 'not met'];
    const number = fc.double({ noNaN: true });
    fc.assert(
      fc.property(number, number, number, number, (one, other, bound, slack) => {
        const verdict = (value: number) =>
          order.indexOf(verdictOf(value, { atMost: bound }, { atMost: Math.max(bound, slack) }));
        expect(verdict(Math.min(one, other))).toBeLessThanOrEqual(verdict(Math.max(one, other)));
      }),
    );
  });
});

describe('a row', () => {
  it('has the measured number, the published one, the target in words and the verdict', () => {
    expect(judged({ ...MEASURED, seed: 8.2 })).toEqual({
      id: 'A-36',
      name: 'check',
      plane: 'G',
      seed: 8.2,
      ours: 3,
      unit: 'µs',
      target: '≤ 8.2',
      verdict: 'met',
    });
  });

  it('says null where nothing was published, and why it is as it is', () => {
    const row = judged({ ...MEASURED, acceptable: { atMost: 30 }, ours: 9, reason: 'Busy machine.' });
    expect(row).toMatchObject({
      seed: null,
      target: '≤ 8.2, acceptable ≤ 30',
      verdict: 'acceptable',
      reason: 'Busy machine.',
    });
  });

  it('is made for each of the four statistics, each judged by its own number', () => {
    const ours = distribution([1, 2, 3, 4, 5, 6]); // trimmed: 2, 3, 4, 5
    const rows = statisticRows({ ...MEASURED, name: 'check' }, ours, {
      mean: 3.4,
      median: 3.5,
      p95: 5,
      p99: 1,
    });
    expect(rows.map(({ name, verdict }) => `${name}: ${verdict}`)).toEqual([
      'check, mean: not met',
      'check, median: met',
      'check, p95: met',
      'check, p99: not met',
    ]);
  });
});
