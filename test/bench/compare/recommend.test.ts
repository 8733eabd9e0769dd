import { describe, expect, it } from 'vitest';
import { type Choice, recommend } from '#bench/compare/recommend.js';

const choice = (label: string, changes: Partial<Choice> = {}): Choice => ({
  label,
  perplexityChange: 0,
  rssPeakBytes: 500e6,
  decodeTokensPerSecond: 40,
  ...changes,
});
const fp32 = choice('fp32');
const int8 = choice('int8', { perplexityChange: 0.001, rssPeakBytes: 300e6, decodeTokensPerSecond: 100 });
const int4 = choice('int4', { perplexityChange: 0.019, rssPeakBytes: 200e6, decodeTokensPerSecond: 130 });

describe('recommend', () => {
  it('takes the fastest of those within 1 % of FP32', () => {
    expect(recommend([fp32, int8, int4], 8e9)).toMatchObject({
      candidate: 'int8',
      reason: 'int8: 100.0 tokens/s, perplexity +0.10 % against FP32, 300 MB at the peak.',
    });
    const better = { ...int4, perplexityChange: 0.01 };
    expect(recommend([fp32, int8, better], 8e9).candidate).toBe('int4');
  });

  it('takes the smaller of two that are equally fast', () => {
    const slower = { ...int4, perplexityChange: -0.001, decodeTokensPerSecond: 95 };
    expect(recommend([int8, slower], 8e9).candidate).toBe('int4');
    expect(recommend([int8, { ...slower, decodeTokensPerSecond: 94.9 }], 8e9).candidate).toBe('int8');
  });

  it('takes none that does not fit the memory', () => {
    const hungry = { ...int8, rssPeakBytes: 900e6 };
    expect(recommend([fp32, hungry], 600e6).candidate).toBe('fp32');
    expect(recommend([fp32, hungry], 400e6)).toMatchObject({
      candidate: null,
      reason: 'No candidate fits the memory.',
    });
  });

  it('recommends nothing where all are too far from FP32', () => {
    expect(recommend([int4], 8e9)).toMatchObject({
      candidate: null,
      reason: 'No candidate is that close to FP32.',
    });
  });

  it.each(['perplexityChange', 'rssPeakBytes', 'decodeTokensPerSecond'] as const)(
    'passes over a candidate without its %s',
    (field) => {
      expect(recommend([fp32, { ...int8, [field]: null }], 8e9).candidate).toBe('fp32');
      expect(recommend([{ ...int8, [field]: null }], 8e9)).toMatchObject({
        candidate: null,
        reason: 'No candidate was measured in full.',
      });
    },
  );

  it('states the rule with every answer', () => {
    for (const choices of [[fp32, int8], [int4], []]) {
      expect(recommend(choices, 8e9).rule).toMatch(/at most 1 % above .* 95 % as fast .* lowest peak memory/);
    }
  });
});
