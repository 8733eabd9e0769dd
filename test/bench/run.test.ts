import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { measureCase } from '#bench/run/measure.js';
import { type BenchOptions, planBench } from '#bench/run/plan.js';
import { Random } from '#bench/run/random.js';
import { type BenchProgress, runBench } from '#bench/run/run.js';
import { syntheticCheckpoint, syntheticShapes } from '#bench/synthetic.js';
import { type Checkpoint, openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import type { Runner } from '#inhouse/runtime/runner.js';
import { openPortable } from '../support/runners.js';

const home = mkdtempSync(join(tmpdir(), 'inhouse-bench-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

let tiny: Checkpoint;
beforeAll(async () => {
  tiny = await openCheckpoint(await syntheticCheckpoint('tiny', syntheticShapes().get('tiny')!, home));
});

const OPTIONS: BenchOptions = {
  runners: ['portable'],
  precisions: ['fp32'],
  devices: ['cpu'],
  threads: [1],
  nPrompt: [16],
  nGen: 3,
  batchSize: [1, 2],
  depth: [125], // with 3 more the context, 128, is full
  repetitions: 2,
};

/** Runs on the tiny model; `during` sees every step of the run and may abort it. */
async function run(
  options: BenchOptions,
  {
    bandwidth,
    during = () => {},
  }: { bandwidth?: number; during?: (p: BenchProgress, abort: () => void) => void },
) {
  const controller = new AbortController();
  const progress: BenchProgress[] = [];
  const results = await runBench(tiny, planBench(options, tiny.config.contextLength), {
    home,
    signal: controller.signal,
    readBandwidth: async () => bandwidth,
    onProgress: (step) => {
      progress.push(step);
      during(step, () => controller.abort());
    },
  });
  return { results, progress };
}

describe('runBench', () => {
  it('measures every case of the plan as often as asked, with exact KV figures', async () => {
    const { results, progress } = await run(OPTIONS, {});
    const kvBytesPerToken = 2 * 2 * 64 * 4;
    expect(
      results.map(({ phase, batch, prompt, depth, stepsPerCall, kvUsedBytes }) => [
        ...[phase, batch, prompt, depth, stepsPerCall, kvUsedBytes],
      ]),
    ).toEqual([
      ['load', null, null, null, null, null],
      ['prefill', 1, 16, 0, null, 16 * kvBytesPerToken],
      ['decode', 1, null, 125, 1, 128 * kvBytesPerToken],
      ['decode', 1, null, 125, 3, 128 * kvBytesPerToken],
      ['decode', 2, null, 125, 1, 2 * 128 * kvBytesPerToken],
      ['decode', 2, null, 125, 3, 2 * 128 * kvBytesPerToken],
    ]);
    for (const result of results) {
      expect(result).toMatchObject({ repetitions: 2, kvBytesPerToken, floorShare: null });
      expect(result.spread.minMs).toBeGreaterThan(0);
      expect(result.msPerStep).toBeGreaterThanOrEqual(result.spread.minMs);
      expect(result.msPerStep).toBeLessThanOrEqual(result.spread.maxMs);
    }
    const order = (repetition: number) =>
      progress.filter((step) => step.repetition === repetition).map(({ doing }) => doing);
    const [first, ...others] = order(0);
    expect(first).toBe('quantize');
    expect(order(1)).toEqual(['load', ...others.slice(1).toReversed()]);
  });

  it('states the share of the floor for single rows, from the bandwidth of the same run', async () => {
    const { results } = await run({ ...OPTIONS, repetitions: 1 }, { bandwidth: 1e9 });
    const singles = results.filter(({ phase, batch }) => phase === 'decode' && batch === 1);
    expect(singles).toHaveLength(2);
    for (const { floorShare, floorMs, msPerStep, bandwidthBytesPerSecond } of singles) {
      expect(bandwidthBytesPerSecond).toBe(1e9);
      const weights = 4 * (2 * 12 * 64 * 64 + 512 * 64); // [D, 3D], [D, D], [D, 4D], [4D, D]; [V, D]
      expect(floorMs).toBeCloseTo((weights + 127 * 1024) / 1e6, 12); // positions 126, 127, 128
      expect(floorShare).toBeCloseTo(floorMs! / msPerStep, 12);
    }
    const others = results.filter((result) => !singles.includes(result));
    expect(others.map(({ floorShare }) => floorShare)).toEqual(others.map(() => null));
  });

  it('ends with what has been measured when it is aborted', async () => {
    const { results } = await run(OPTIONS, {
      during: ({ repetition, doing }, abort) => {
        if (repetition === 1 && typeof doing === 'object' && doing.phase === 'decode' && doing.batch === 1)
          abort();
      },
    });
    const counts = results.map(({ phase, batch, repetitions }) => [phase, batch, repetitions]);
    // The second repetition goes backwards: batch 2 came before the end.
    expect(counts).toEqual([
      ['load', null, 2],
      ['prefill', 1, 1],
      ['decode', 1, 1],
      ['decode', 1, 1],
      ['decode', 2, 2],
      ['decode', 2, 2],
    ]);
  });

  it('fails with the error of what went wrong', async () => {
    const tools = {
      home,
      signal: new AbortController().signal,
      readBandwidth: async () => undefined,
      onProgress: () => {},
    };
    const gone = { ...tiny, folder: join(home, 'gone') };
    await expect(runBench(gone, planBench(OPTIONS, 128), tools)).rejects.toMatchObject({
      code: 'INHOUSE_CHECKPOINT_UNREADABLE',
    });
  });
});

describe('measureCase', () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await openPortable(tiny.folder, { maxRows: 2 });
  });
  afterAll(() => runner.dispose());
  const tools = { random: new Random(0), signal: new AbortController().signal };

  it.each([1, 5])('decodes the tokens asked for, %i per call', async (stepsPerCall) => {
    const decode = vi.spyOn(runner, 'decode');
    const before = await runner.statistics();
    const measured = { phase: 'decode', batch: 2, depth: 4, newTokens: 5, stepsPerCall } as const;
    await measureCase(runner, measured, tools);
    const after = await runner.statistics();
    expect(decode).toHaveBeenCalledTimes(1 + 5 / stepsPerCall); // the first to warm up
    expect(after.decodeSteps - before.decodeSteps).toBe(2 + 5);
    expect(after.rowsOpen).toBe(0);
    decode.mockRestore();
  });

  it('prefills the whole prompt each time, with and without a first token', async () => {
    const before = await runner.statistics();
    const { firstTokenMs } = await measureCase(runner, { phase: 'prefill', prompt: 7 }, tools);
    const after = await runner.statistics();
    expect(firstTokenMs).toBeGreaterThan(0);
    expect(after.prefillTokens - before.prefillTokens).toBe(3 * 7); // the first to warm up
    expect(after.rowsOpen).toBe(0);
  });
});
