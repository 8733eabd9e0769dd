import { describe, expect, it } from 'vitest';
import { type CompareOptions, planCompare } from '#bench/compare/plan.js';
import { type Measured, spread, summarise } from '#bench/compare/results.js';
import type { SpeedSample } from '#bench/compare/speed.js';

const OPTIONS: CompareOptions = {
  precisions: ['fp32'],
  runners: ['native'],
  devices: ['cpu'],
  threads: [2],
  batchSize: [1, 4],
  nPrompt: 100,
  nGen: 8,
  repetitions: 3,
};
const plan = planCompare(OPTIONS, 1024);
const text = { bytes: 50, decode: (ids: readonly number[]) => ids.join(' ') };

const ON_CPU = { deviceHeldBytes: null, deviceUsedBytes: null };

/** One repetition in which every step takes `ms`. */
function sampleOf(ms: number, changes: Partial<SpeedSample> = {}): SpeedSample {
  const step = { ms, firstTokenMs: null, kvUsedBytes: 0, kvCommittedBytes: 0, ...ON_CPU };
  return {
    loadMs: 10 * ms,
    rssBeforeBytes: 40e6,
    rssLoadedBytes: 100e6,
    rssPeakBytes: 100e6 + ms,
    kvBytesPerToken: 128,
    runtimeVersion: '1.0',
    samples: [{ ...step, firstTokenMs: ms + 1 }, step, step],
    joulesPerToken: null,
    ...changes,
  };
}

function measured(changes: Partial<Measured>): Measured {
  const [candidate] = plan.candidates;
  return {
    candidate: candidate!,
    label: 'fp32',
    prepared: { diskBytes: 7, computeType: 'float32' },
    speeds: [],
    quality: undefined,
    failure: undefined,
    ...changes,
  };
}

describe('summarise', () => {
  it('gives medians and spreads of the repetitions', () => {
    const result = summarise(measured({ speeds: [sampleOf(10), sampleOf(40), sampleOf(20)] }), plan, text);
    expect(result).toMatchObject({
      label: 'fp32',
      precision: 'fp32',
      diskBytes: 7,
      repetitions: 3,
      failure: null,
      loadMs: { median: 200, min: 100, max: 400 },
      rssPeakBytes: { median: 100e6 + 20, min: 100e6 + 10, max: 100e6 + 40 },
      timeToFirstTokenMs: { median: 21, min: 11, max: 41 },
      prefillTokensPerSecond: { median: 5000, min: 2500, max: 10000 },
      decode: [
        { batch: 1, tokensPerSecond: { median: 50, min: 25, max: 100 } },
        { batch: 4, tokensPerSecond: { median: 200, min: 100, max: 400 } },
      ],
      joulesPerToken: null,
      quality: null,
    });
  });

  it('leaves out what was not measured', () => {
    expect(summarise(measured({ failure: 'it broke' }), plan, text)).toMatchObject({
      repetitions: 0,
      failure: 'it broke',
      loadMs: null,
      rssBeforeBytes: null,
      kvBytesPerToken: null,
      timeToFirstTokenMs: null,
      decode: [
        { batch: 1, tokensPerSecond: null },
        { batch: 4, tokensPerSecond: null },
      ],
    });
  });

  it('tells energy where every repetition has it', () => {
    const speeds = [sampleOf(1, { joulesPerToken: 2 }), sampleOf(1, { joulesPerToken: 4 })];
    expect(summarise(measured({ speeds }), plan, text).joulesPerToken).toEqual({
      median: 3,
      min: 2,
      max: 4,
    });
  });

  it('puts quality into perplexity, its change, and bits per byte', () => {
    const fidelity = {
      tokens: 11,
      scoredTokens: 10,
      window: 11,
      stride: 5,
      referenceLoss: Math.log(40),
      candidateLoss: Math.log(42),
      lossDifferenceError: 0.02,
      top1Agreement: 0.9,
      meanKl: 0.01,
      meanAbsLogprobDifference: 0.1,
    };
    const { quality } = summarise(measured({ quality: { fidelity, continuation: [3, 4] } }), plan, text);
    expect(quality).toMatchObject({ top1Agreement: 0.9, meanKl: 0.01, sampleText: '3 4' });
    expect(quality!.perplexity).toBeCloseTo(42, 10);
    expect(quality!.perplexityChange).toBeCloseTo(0.05, 10);
    expect(quality!.perplexityChangeError).toBeCloseTo(1.05 * 0.02, 10);
    expect(quality!.bitsPerByte).toBeCloseTo((10 * Math.log2(42)) / 50, 10);
  });
});

describe('spread', () => {
  it('is null without values, and where one is missing', () => {
    expect(spread([])).toBeNull();
    expect(spread([1, null])).toBeNull();
    expect(spread([3, 1])).toEqual({ median: 2, min: 1, max: 3 });
  });
});
