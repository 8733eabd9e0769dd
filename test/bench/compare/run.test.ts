import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inOwnProcess } from '#bench/compare/child.js';
import { type Candidate, type ComparePlan, planCompare } from '#bench/compare/plan.js';
import { type CompareProgress, runComparison } from '#bench/compare/run.js';
import { syntheticCheckpoint, syntheticShapes } from '#bench/synthetic.js';
import { type Checkpoint, openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';

const home = mkdtempSync(join(tmpdir(), 'inhouse-compare-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

let tiny: Checkpoint;
beforeAll(async () => {
  tiny = await openCheckpoint(await syntheticCheckpoint('tiny', syntheticShapes().get('tiny')!, home));
});

const work = {
  ids: Array.from({ length: 40 }, (_, i) => (i * 37) % 512),
  window: 20,
  promptTokens: 4,
  eosTokenIds: [],
};
const candidateOf = (changes: Partial<Candidate> = {}): Candidate => ({
  precision: 'fp32',
  runner: 'portable',
  device: 'cpu',
  threads: 1,
  ...changes,
});

function planOf(candidates: readonly Candidate[], repetitions = 2): ComparePlan {
  const options = {
    precisions: ['fp32'] as const,
    runners: ['portable'] as const,
    devices: ['cpu'],
    threads: [1],
    batchSize: [1, 2],
    nPrompt: 8,
    nGen: 2,
    repetitions,
  };
  return { ...planCompare(options, 128), candidates };
}

async function run(plan: ComparePlan, during: (step: CompareProgress, abort: () => void) => void = () => {}) {
  const controller = new AbortController();
  const steps: string[] = [];
  const all = await runComparison(tiny, plan, work, {
    home,
    signal: controller.signal,
    onProgress: (step) => {
      if (step.done === 0) steps.push(`${step.doing} ${step.repetition} ${step.label}`);
      during(step, () => controller.abort());
    },
  });
  return { all, steps };
}

describe('runComparison', () => {
  it('takes turns, to and fro, and judges quality after the first turn', async () => {
    const { all, steps } = await run(planOf([candidateOf(), candidateOf({ threads: 2 })]));
    const [one, two] = ['fp32, 1 thread', 'fp32, 2 threads'];
    expect(steps).toEqual([
      `prepare 0 ${one}`,
      `prepare 0 ${two}`,
      `speed 0 ${one}`,
      `speed 0 ${two}`,
      `quality 0 ${one}`,
      `quality 0 ${two}`,
      `speed 1 ${two}`,
      `speed 1 ${one}`,
    ]);
    for (const { speeds, quality, failure, prepared } of all) {
      expect(failure).toBeUndefined();
      expect(prepared.diskBytes).toBeGreaterThan(tiny.weightBytes);
      expect(speeds).toHaveLength(2);
      for (const sample of speeds) {
        expect(sample.samples).toHaveLength(3);
        expect(sample.kvBytesPerToken).toBe(2 * 2 * 64 * 4);
        expect(sample.rssLoadedBytes).toBeGreaterThan(sample.rssBeforeBytes);
        expect(sample.rssPeakBytes).toBeGreaterThanOrEqual(sample.rssLoadedBytes);
      }
      expect(quality!.fidelity).toMatchObject({
        tokens: 40,
        scoredTokens: 39,
        window: 20,
        stride: 10,
        top1Agreement: 1,
        meanKl: 0,
      });
      expect(quality!.continuation).toHaveLength(60);
    }
  });

  it('goes on without a candidate that fails, and says why it did', async () => {
    const broken = candidateOf({ runner: 'no such runner' as never });
    const { all, steps } = await run(planOf([broken, candidateOf()]));
    expect(all[0]).toMatchObject({ speeds: [], quality: undefined, failure: expect.stringMatching(/./) });
    expect(all[1]).toMatchObject({ failure: undefined });
    expect(all[1]!.speeds).toHaveLength(2);
    expect(steps.filter((step) => step.includes('no such runner'))).toHaveLength(2); // prepared, tried once
  });

  it('ends with what has been measured when it is aborted', async () => {
    const { all } = await run(planOf([candidateOf()], 5), ({ doing, repetition }, abort) => {
      if (doing === 'speed' && repetition === 1) setTimeout(abort, 20); // in the middle of it
    });
    expect(all[0]).toMatchObject({ failure: undefined, quality: expect.anything() });
    expect(all[0]!.speeds).toHaveLength(1);
  });
});

describe('inOwnProcess', () => {
  const task = () =>
    ({ kind: 'speed', folder: tiny.folder, home, candidate: candidateOf(), cases: [] }) as const;
  const signal = new AbortController().signal;

  it('rejects with what went wrong in the process', async () => {
    const gone = join(home, 'gone');
    await expect(inOwnProcess({ ...task(), folder: gone }, signal)).rejects.toMatchObject({
      code: 'INHOUSE_RUNTIME_STEP',
      message: expect.stringMatching(/gone.*\[INHOUSE_CHECKPOINT_UNREADABLE\]$/),
    });
  });

  it('rejects with the reason when aborted, before and during the task', async () => {
    await expect(inOwnProcess(task(), AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
    const controller = new AbortController();
    const running = inOwnProcess(task(), controller.signal);
    controller.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });
});
