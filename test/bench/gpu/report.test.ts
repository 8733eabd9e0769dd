import { describe, expect, it } from 'vitest';
import type { EngineResult } from '#bench/gpu/engine.js';
import { PRECISIONS, REFERENCES, toleranceOf } from '#bench/gpu/plan.js';
import { printedTargets, slug, targetsOf } from '#bench/gpu/report.js';
import type { TorchResult } from '#bench/gpu/torch.js';
import type { BenchResult } from '#bench/run/results.js';

const speed = (changes: Partial<BenchResult>) =>
  ({ phase: 'decode', precision: 'fp16', batch: 1, depth: 64, prompt: null, ...changes }) as BenchResult;
const engine = (requestsPerSecond: number, outputTokens = 100) =>
  ({ requestsPerSecond, outputTokens }) as EngineResult;
const torch = (tokensPerSecond: number, changes: Partial<TorchResult> = {}) =>
  ({ mode: 'eager', phase: 'decode', batch: 1, depth: 64, tokensPerSecond, ...changes }) as TorchResult;

const GOOD = {
  speed: [
    speed({ tokensPerSecond: 900, stepsPerCall: 1 }),
    speed({ tokensPerSecond: 1200, stepsPerCall: 64 }),
    speed({ tokensPerSecond: 9000, precision: 'int4' }),
    speed({ tokensPerSecond: 30_000, batch: 64, deviceUsedBytes: 1.5e9 }),
    speed({ tokensPerSecond: 20_000, batch: 64, depth: 512, deviceUsedBytes: 2.9e9 }),
    speed({ phase: 'prefill', depth: 0, prompt: 128, timeToFirstTokenMs: 4 }),
    speed({ phase: 'prefill', depth: 0, prompt: 512, timeToFirstTokenMs: 14 }),
  ],
  engine: [engine(30), engine(250), engine(5000, 10)],
  torch: [torch(300), torch(900, { mode: 'compile' }), torch(700, { depth: 512 })],
};

describe('the targets', () => {
  it('are held against the best way to decode at FP16, over rows of 64 positions', () => {
    expect(targetsOf(GOOD).map(({ value, met }) => [value, met])).toEqual([
      [1200, true],
      [4, true],
      [30_000, true],
      [4, true],
      [250, true],
      [1.5e9, true],
    ]);
  });

  it('are not met by figures below them', () => {
    const bad = {
      speed: [
        speed({ tokensPerSecond: 999 }),
        speed({ tokensPerSecond: 24_999, batch: 64, deviceUsedBytes: 2e9 }),
        speed({ phase: 'prefill', prompt: 128, timeToFirstTokenMs: 10 }),
      ],
      engine: [engine(99)],
      torch: [torch(400)],
    };
    expect(targetsOf(bad).map(({ met }) => met)).toEqual([false, false, false, false, false, false]);
    expect(printedTargets(targetsOf(bad))).toMatch(
      /^NOT MET: decode of one row, tokens\/s >= 1000: 999\.0$/m,
    );
  });

  it('are open where nothing was measured, and without PyTorch only that one', () => {
    const nothing = targetsOf({ speed: [], engine: [], torch: [] });
    expect(nothing.map(({ met }) => met)).toEqual([null, null, null, null, null, null]);
    expect(printedTargets(nothing)).toMatch(/^not measured: decode of one row/m);
    const open = targetsOf({ ...GOOD, torch: [torch(0, { tokensPerSecond: null, error: 'no torch' })] });
    expect(open.filter(({ met }) => met === null).map(({ name }) => name)).toEqual([
      'the same over PyTorch eager',
    ]);
  });
});

it('names a result file after the GPU', () => {
  expect(slug('NVIDIA H100 80GB HBM3')).toBe('nvidia-h100-80gb-hbm3');
});

it('holds a device to its own graph as closely at every precision below FP32', () => {
  for (const precision of PRECISIONS) {
    const [cpu, same] = REFERENCES.map((reference) => toleranceOf(precision, reference));
    expect(same!.mean).toBeLessThanOrEqual(cpu!.mean);
    expect(same!.mean).toBeLessThanOrEqual(0.01);
  }
});
