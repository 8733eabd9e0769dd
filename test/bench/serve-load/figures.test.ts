import { describe, expect, it } from 'vitest';
import { admissionFigure } from '#bench/serve-load/admission.js';
import { figure } from '#bench/serve-load/figure.js';
import { scaling, schedulerCost } from '#bench/serve-load/figures.js';
import { kvCacheFigure } from '#bench/serve-load/kv-cache.js';
import { summarise } from '#bench/serve-load/metrics.js';
import { throughputRecord, throughputTests } from '#bench/serve-load/muai.js';
import { prefixFigure } from '#bench/serve-load/prefix.js';
import { trace } from './support.js';

describe('a figure', () => {
  it('is met at its target, whichever side that limits', () => {
    expect(figure('a', 3, { atLeast: 3 }, {}).met).toBe(true);
    expect(figure('a', 2.9, { atLeast: 3 }, {}).met).toBe(false);
    expect(figure('a', 2, { atMost: 2 }, {}).met).toBe(true);
    expect(figure('a', 2.1, { atMost: 2 }, {}).met).toBe(false);
  });

  it('is neither met nor missed when it could not be measured', () => {
    expect(figure('a', Number.NaN, { atMost: 2 }, { b: Number.NaN, c: 1 })).toEqual({
      ...{ name: 'a', value: null, target: { atMost: 2 }, met: null, detail: { b: null, c: 1 } },
    });
  });
});

describe('the figures of batching', () => {
  it('scaling sets the throughput of 8 and 16 callers beside that of one', () => {
    expect(scaling([50, 160, 190]).map(({ value, met }) => ({ value, met }))).toEqual([
      { value: 3.2, met: true },
      { value: 3.8, met: false },
    ]);
    expect(scaling([50]).map(({ value }) => value)).toEqual([0, 0]);
  });

  it('M-O4: the KV cache saves what computing all tokens again takes', () => {
    const recomputed = [100, 90, 110].map((ms) => trace([1000 + ms], { dueMs: 1000 }));
    const kept = [trace([80, 90, 100, 110]), trace([])];
    expect(kvCacheFigure(256, recomputed, kept)).toMatchObject({
      ...{ name: 'a token after 256 others without KV cache over with', value: 10, met: true },
      detail: { recomputedMs: 100, keptMs: 10, samples: 2 },
    });
  });

  it('the cost of scheduling is its share of all the steps', () => {
    const steps = [
      { schedulerMs: 0.1, stepMs: 20 },
      { schedulerMs: 0.3, stepMs: 30 },
    ];
    expect(schedulerCost(steps)).toMatchObject({
      ...{ value: 0.008, met: true, detail: { steps: 2, meanSchedulerMs: 0.2, meanStepMs: 25 } },
    });
    expect(schedulerCost([])).toMatchObject({ value: null, met: null });
  });

  it('gaps between tokens are told apart by whether a prompt was coming in', () => {
    const everyTen = Array.from({ length: 11 }, (_, i) => i * 10); // 0 to 100
    const slowed = [...everyTen, 125, 150, 160, 170];
    const figureOf = admissionFigure([slowed, slowed.map((ms) => ms + 1)], [{ beginMs: 105, endMs: 145 }]);
    expect(figureOf.detail).toEqual({
      ...{ p95WithMs: 25, p95WithoutMs: 10, gapsWith: 4, prompts: 1 },
      gapsWithout: 9 + 10 + 2 + 1, // while both run, from 1 to 170
    });
    expect(figureOf).toMatchObject({ value: 2.5, met: false });
  });

  it('a prompt that ended as a gap begins has not disturbed it', () => {
    const { detail } = admissionFigure([[0, 10, 20, 30]], [{ beginMs: 5, endMs: 10 }]);
    expect(detail).toMatchObject({ gapsWith: 1, gapsWithout: 2 });
  });

  it('a known beginning is set beside a fresh one by the median first token, failures aside', () => {
    const fresh = [trace([500]), trace([600]), trace([9000])];
    const repeated = [trace([100], { cachedTokens: 512 }), trace([60], { cachedTokens: 512 }), trace([100])];
    expect(prefixFigure(fresh, repeated)).toMatchObject({
      ...{ value: 6, met: true, detail: { freshMs: 600, repeatedMs: 100, cachedTokens: 512, prompts: 3 } },
    });
  });
});

describe('the throughput tests of MuAI', () => {
  it('are the plan’s seven, each at 100 and 30 tokens', () => {
    const rows = throughputTests().map(({ id, kind, concurrency, batchSize, maxBatchSize }) =>
      [id, kind, concurrency, batchSize, maxBatchSize].join(' '),
    );
    expect([...new Set(rows)]).toEqual([
      'M-T1 single 1 1 1',
      'M-T2 concurrent 2 1 1',
      'M-T3 concurrent 4 1 1',
      'M-T4 concurrent 8 1 1',
      'M-T5 concurrent 16 1 1',
      'M-T6 batch 1 8 8',
      'M-T7 batch 4 1 8',
    ]);
    for (const row of new Set(rows)) {
      const tokens = throughputTests()
        .filter(({ id }) => row.startsWith(id))
        .map(({ tokensPerRequest }) => tokensPerRequest);
      expect(tokens).toEqual(row.startsWith('M-T6') ? [100, 30, 4] : [100, 30]);
    }
  });

  it('write the plan’s record, successes only', () => {
    const traces = [
      trace([100, 200]),
      trace([100, 400]),
      trace([5], { outcome: { kind: 'failed', code: 'INHOUSE_TIMEOUT' } }),
    ];
    const summary = summarise({ traces, durationMs: 4000 });
    const setup = { modelName: 'gpt2', threads: 2, seed: 1, durationSeconds: 60, warmupSeconds: 2 };
    const test = throughputTests().find(({ id }) => id === 'M-T4')!;
    const throughput = { requests_per_second: 0.5, tokens_per_second: 1 };
    expect(throughputRecord(test, summary, setup, '2026-01-28T00:00:00.000Z')).toEqual({
      id: 'M-T4',
      plane: 'E',
      test_name: 'throughput_concurrency8_batch1_out100',
      model_name: 'gpt2',
      timestamp: '2026-01-28T00:00:00.000Z',
      single: null,
      concurrent: { ...throughput, level: 8 },
      batch: null,
      latency: { mean: 300, p50: 300, p95: 390, p99: 398 },
      efficiency: { tokens_per_second_per_core: 0.5 },
      summary: { duration_seconds: 4, total_requests: 2, total_tokens: 4, failed_requests: 1 },
      config: { concurrency: 8, max_batch_size: 1, input_length: 7, output_length: 100, warmup_seconds: 2 },
    });
    const recordOf = (id: string) =>
      throughputRecord(throughputTests().find((one) => one.id === id)!, summary, setup, '');
    expect(recordOf('M-T1')).toMatchObject({ single: throughput, concurrent: null, batch: null });
    expect(recordOf('M-T6')).toMatchObject({ single: null, concurrent: null, batch: { size: 8 } });
    expect(recordOf('M-T7')).toMatchObject({ single: null, concurrent: null, batch: { size: 'auto' } });
  });
});
