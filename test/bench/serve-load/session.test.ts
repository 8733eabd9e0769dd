import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseLengths } from '#bench/serve-load/lengths.js';
import { measureLevels } from '#bench/serve-load/levels.js';
import { measureThroughputTests } from '#bench/serve-load/muai.js';
import { sendTo } from '#bench/serve-load/send.js';
import { LoadSession, type Source } from '#bench/serve-load/session.js';
import { traced } from '#bench/serve-load/trace.js';
import { syntheticCheckpoint, syntheticShapes } from '#bench/synthetic.js';

const home = mkdtempSync(join(tmpdir(), 'inhouse-serve-load-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

let folder: string;
beforeAll(async () => {
  folder = await syntheticCheckpoint('tiny', syntheticShapes().get('tiny')!, home); // context 128
});

function session(onProgress: (doing: string, abort: () => void) => void = () => {}) {
  const stop = new AbortController();
  return new LoadSession(
    folder,
    { precision: 'fp32', runner: 'portable', device: 'cpu', threads: 1 },
    { signal: stop.signal, onProgress: (doing) => onProgress(doing, () => stop.abort()) },
  );
}

const WORKLOAD = {
  inputLen: parseLengths('inputLen', 'uniform:4:20'),
  outputLen: parseLengths('outputLen', '6'),
  seed: 1,
};
const SHORT = {
  workload: WORKLOAD,
  durationSeconds: 0.2,
  warmupSeconds: 0.05,
  repetitions: 1,
  maxBatchSize: 4,
};
const closed = (concurrency: number): Source => ({ loop: 'closed', concurrency, batchSize: 1 });

describe('sendTo', () => {
  it('gets exactly the tokens asked for, and a reader that leaves counts as aborted', async () => {
    await session().withModel({}, async (model) => {
      const { signal } = new AbortController();
      const request = { prompt: [1, 2, 3], outputTokens: 9 };
      const whole = await traced(sendTo(model), request, 0, signal);
      expect(whole).toMatchObject({ promptTokens: 3, outcome: { kind: 'completed' } });
      expect(whole.tokenMs).toHaveLength(9);
      expect(whole.tokenMs.toSorted((a, b) => a - b)).toEqual(whole.tokenMs);
      const left = await traced(sendTo(model), { ...request, outputTokens: 120, leaveAfter: 2 }, 0, signal);
      expect(left.outcome).toEqual({ kind: 'aborted' });
    });
  });

  it('notes by its code what the model refuses', async () => {
    await session().withModel({}, async (model) => {
      const { signal } = new AbortController();
      const tooLong = await traced(sendTo(model), { prompt: [1], outputTokens: 500 }, 0, signal);
      expect(tooLong.outcome).toEqual({ kind: 'failed', code: 'INHOUSE_CONTEXT_OVERFLOW' });
      const late = await traced(sendTo(model, 1e-6), { prompt: [1], outputTokens: 5 }, 0, signal);
      expect(late.outcome).toEqual({ kind: 'failed', code: 'INHOUSE_TIMEOUT' });
    });
  });
});

describe('measureLevels', () => {
  it('measures every level as often as asked, warm-up aside', async () => {
    const doing: string[] = [];
    const results = await measureLevels(
      session((what) => doing.push(what)),
      { ...SHORT, sources: [closed(1), closed(4), { loop: 'open', requestRate: 50 }], repetitions: 2 },
    );
    expect(doing.map((what) => what.split(':')[0])).toEqual([
      ...['concurrency 1', 'concurrency 4', '50 requests/s'],
      ...['50 requests/s', 'concurrency 4', 'concurrency 1'],
    ]);
    expect(results).toMatchObject([
      { loop: 'closed', concurrency: 1, requestRate: null, repetitions: 2, failed: 0 },
      { loop: 'closed', concurrency: 4, requestRate: null, repetitions: 2, failed: 0 },
      { loop: 'open', concurrency: null, requestRate: 50, repetitions: 2, failed: 0 },
    ]);
    for (const { completed, outputTokens, inputTokens, durationSeconds } of results) {
      expect(completed).toBeGreaterThan(0);
      expect(outputTokens).toBe(6 * completed);
      expect(inputTokens).toBeGreaterThanOrEqual(4 * completed);
      expect(inputTokens).toBeLessThanOrEqual(20 * completed);
      expect(durationSeconds).toBeGreaterThan(0); // an open loop ends with its last arrival's answer
    }
  });

  it('ends with what has been measured when it is aborted', async () => {
    const results = await measureLevels(
      session((doing, abort) => {
        if (doing.startsWith('concurrency 2')) abort();
      }),
      { ...SHORT, sources: [closed(1), closed(2), closed(4)] },
    );
    expect(results.map(({ concurrency, completed }) => [concurrency, completed > 0])).toEqual([
      [1, true],
      [2, false],
    ]);
  });

  it('refuses requests that the context cannot hold', async () => {
    const workload = { ...WORKLOAD, inputLen: parseLengths('inputLen', '124') };
    await expect(
      measureLevels(session(), { ...SHORT, sources: [closed(1)], workload }),
    ).rejects.toMatchObject({
      code: 'INHOUSE_INVALID_OPTION',
      message: expect.stringMatching(/inputLen is 124.*at most 123 .*128/),
    });
  });

  it('never sends a prompt twice, in whichever run', async () => {
    const measuring = session();
    await measuring.withModel({}, async (model) => {
      const stream = vi.spyOn(model, 'stream');
      const workload = { ...WORKLOAD, inputLen: parseLengths('inputLen', '20') };
      await measuring.measure(model, { ...SHORT, workload, source: closed(1) });
      const once = stream.mock.calls.length;
      await measuring.measure(model, { ...SHORT, workload, source: closed(1) });
      const prompts = stream.mock.calls.map(([prompt]) => String(prompt));
      expect(prompts.length).toBeGreaterThan(once);
      expect(new Set(prompts).size).toBe(prompts.length);
    });
  });
});

describe('measureThroughputTests', () => {
  it('has a record of every test, each with an engine that takes as many at once as it says', async () => {
    const setup = { modelName: 'tiny', threads: 1, seed: 1, durationSeconds: 0.1, warmupSeconds: 0 };
    const records = await measureThroughputTests(session(), setup);
    expect(records.map(({ id, config }) => `${id} ${config.output_length}`)).toEqual([
      ...['M-T1 100', 'M-T1 30', 'M-T2 100', 'M-T2 30', 'M-T3 100', 'M-T3 30', 'M-T4 100', 'M-T4 30'],
      ...['M-T5 100', 'M-T5 30', 'M-T6 100', 'M-T6 30', 'M-T6 4', 'M-T7 100', 'M-T7 30'],
    ]);
    for (const { summary, config } of records) {
      expect(summary.failed_requests).toBe(0);
      expect(summary.total_requests).toBeGreaterThan(0);
      expect(summary.total_tokens).toBe(summary.total_requests * config.output_length);
    }
  });
});
