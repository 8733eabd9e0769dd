import { describe, expect, it } from 'vitest';
import type { Sample } from '#bench/run/measure.js';
import type { BenchCase } from '#bench/run/plan.js';
import { type LoadSample, type MeasuredCase, type SetupSamples, summarise } from '#bench/run/results.js';
import { parseGpt2Config } from '#inhouse/checkpoint/config.js';

// 1 layer of width 8: 768 weights in its matrices and 80 in the head, 3 392 bytes in all.
const config = parseGpt2Config(
  { model_type: 'gpt2', n_layer: 1, n_head: 1, n_embd: 8, n_positions: 64, vocab_size: 10 },
  'test',
);
const kvBytesPerToken = 64;
const ON_CPU = { deviceHeldBytes: null, deviceUsedBytes: null };
const load: LoadSample = {
  ...{ ms: 30, firstTokenMs: 50, rssBytes: 1e6, kvBytesPerToken },
  ...{ weightBytes: 4e5, computeType: 'float32', runtimeVersion: '1.2.3' },
  ...ON_CPU,
};
const decode: BenchCase = { phase: 'decode', batch: 1, depth: 10, newTokens: 3, stepsPerCall: 1 };

function sample(ms: number, firstTokenMs: number | null = null): Sample {
  return { ms, firstTokenMs, kvUsedBytes: 640, kvCommittedBytes: 4096, ...ON_CPU };
}

function summary(cases: readonly MeasuredCase[], loads: SetupSamples['loads'] = [load]) {
  return summarise(
    { setup: { runner: 'portable', precision: 'fp32', device: 'cpu', threads: 2 }, loads, cases },
    config,
  );
}

describe('summarise', () => {
  it('reports medians and the spread of the loads', () => {
    const loads = [load, { ...load, ms: 10, firstTokenMs: 70 }, { ...load, ms: 20, rssBytes: 3e6 }];
    expect(summary([], loads)).toEqual([
      expect.objectContaining({
        phase: 'load',
        runner: 'portable',
        threads: 2,
        repetitions: 3,
        msPerStep: 20,
        spread: { minMs: 10, maxMs: 30 },
        timeToFirstTokenMs: 50,
        rssBytes: 1e6,
        kvBytesPerToken,
        runtimeVersion: '1.2.3',
        weightBytes: 4e5,
        computeType: 'float32',
        tokensPerSecond: null,
      }),
    ]);
  });

  it('derives the rate of a prefill from the median time of the prompt', () => {
    const samples = [sample(40, 44), sample(80, 88), sample(50, 54)];
    const [, result] = summary([{ measured: { phase: 'prefill', prompt: 100 }, samples, bandwidths: [] }]);
    expect(result).toMatchObject({
      ...{ phase: 'prefill', prompt: 100, batch: 1, depth: 0, newTokens: null, repetitions: 3 },
      ...{ msPerStep: 50, tokensPerSecond: 2000, timeToFirstTokenMs: 54, spread: { minMs: 40, maxMs: 80 } },
      ...{ kvUsedBytes: 640, kvCommittedBytes: 4096, floorShare: null },
    });
  });

  it('counts the tokens of all rows of a decode step', () => {
    const [, result] = summary([{ measured: { ...decode, batch: 4 }, samples: [sample(8)], bandwidths: [] }]);
    expect(result).toMatchObject({ batch: 4, msPerStep: 8, tokensPerSecond: 500, timeToFirstTokenMs: null });
  });

  it('states the share of the floor by the median bandwidth: weights and KV positions read, over the time', () => {
    const samples = [sample(2), sample(4), sample(3)];
    const [, result] = summary([{ measured: decode, samples, bandwidths: [1e6, 9e6, 2e6] }]);
    const bytes = 3392 + 12 * kvBytesPerToken; // positions 11, 12 and 13: 12 on average
    const floorMs = (bytes / 2e6) * 1000;
    expect(result).toMatchObject({ bandwidthBytesPerSecond: 2e6, floorMs });
    expect(result!.floorShare).toBeCloseTo(floorMs / 3, 12);
  });

  it('states no share where the bandwidth was not measured', () => {
    const [, result] = summary([{ measured: decode, samples: [sample(2)], bandwidths: [] }]);
    expect(result).toMatchObject({ bandwidthBytesPerSecond: null, floorMs: null, floorShare: null });
  });

  it('leaves out what was never completed', () => {
    expect(summary([{ measured: decode, samples: [], bandwidths: [] }])).toHaveLength(1);
    expect(summary([{ measured: decode, samples: [], bandwidths: [] }], [])).toEqual([]);
  });
});
