import { describe, expect, it } from 'vitest';
import { Random } from '#bench/run/random.js';
import { drawLength, parseLengths } from '#bench/serve-load/lengths.js';
import { checkFits, requestsOf } from '#bench/serve-load/workload.js';
import { median } from '#bench/statistics.js';

function draws(text: string, count = 10_000): number[] {
  const random = new Random(7);
  const lengths = parseLengths('inputLen', text);
  return Array.from({ length: count }, () => drawLength(lengths, random));
}

describe('lengths', () => {
  it('a plain number is always drawn', () => {
    expect(new Set(draws('128', 100))).toEqual(new Set([128]));
  });

  it('uniform draws every length from the least to the most about equally often', () => {
    const values = draws('uniform:3:6', 40_000);
    for (const length of [3, 4, 5, 6]) {
      const share = values.filter((value) => value === length).length / values.length;
      expect(share).toBeGreaterThan(0.24);
      expect(share).toBeLessThan(0.26);
    }
    expect([Math.min(...values), Math.max(...values)]).toEqual([3, 6]);
  });

  it('lognormal has the median and the spread of its logarithm, and never exceeds the most', () => {
    const values = draws('lognormal:100:0.5:100000');
    expect(median(values)).toBeGreaterThan(97);
    expect(median(values)).toBeLessThan(103);
    const logs = values.map((value) => Math.log(value / 100));
    const deviation = Math.sqrt(logs.reduce((sum, log) => sum + log * log, 0) / logs.length);
    expect(deviation).toBeGreaterThan(0.48);
    expect(deviation).toBeLessThan(0.52);
    const cut = draws('lognormal:100:2:150');
    expect(Math.max(...cut)).toBe(150);
    expect(Math.min(...cut)).toBeGreaterThanOrEqual(1);
  });

  it.each([
    '',
    '0',
    '-3',
    '1.5',
    'many',
    'uniform:5',
    'uniform:9:3',
    'uniform:1:2:3',
    'lognormal:64:0:900',
    'lognormal:64:x:900',
    'lognormal:64:0.5',
    'fixed:64:64',
  ])('refuses %j, and says what would do', (text) => {
    expect(() => parseLengths('outputLen', text)).toThrow(
      expect.objectContaining({
        code: 'INHOUSE_INVALID_OPTION',
        message: expect.stringContaining('uniform:LEAST:MOST'),
        details: expect.objectContaining({ option: 'outputLen' }),
      }),
    );
  });
});

describe('workload', () => {
  const workload = (inputLen: string, outputLen: string, seed = 1) => ({
    inputLen: parseLengths('inputLen', inputLen),
    outputLen: parseLengths('outputLen', outputLen),
    seed,
  });

  it('gives the same requests for the same seed, and others for another', () => {
    const first = (seed: number) => {
      const next = requestsOf(workload('uniform:4:40', '5', seed), 500);
      return [next(), next(), next()];
    };
    expect(first(3)).toEqual(first(3));
    expect(first(3)).not.toEqual(first(4));
    const [one, two] = first(3);
    expect(one!.prompt).not.toEqual(two!.prompt);
    for (const { prompt, outputTokens } of first(3)) {
      expect(outputTokens).toBe(5);
      expect(prompt.every((token) => token >= 0 && token < 500)).toBe(true);
    }
  });

  it('must fit into the context at its longest; the last token needs no position', () => {
    expect(() => checkFits(workload('uniform:1:29', '100'), 128)).not.toThrow();
    expect(() => checkFits(workload('uniform:1:30', '100'), 128)).toThrow(/inputLen is 30.*at most 29.*128/);
  });
});
