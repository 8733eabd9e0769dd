import { describe, expect, it } from 'vitest';
import { drift } from '#bench/serve-load/drift.js';
import { parseGoodput } from '#bench/serve-load/goodput.js';
import { distribution, summarise } from '#bench/serve-load/metrics.js';
import { trace } from './support.js';

describe('summarise', () => {
  it('derives all latencies from when the tokens came', () => {
    const traces = [
      trace([150, 160, 190], { dueMs: 100, endMs: 200 }),
      trace([300], { dueMs: 100, endMs: 300, promptTokens: 30, cachedTokens: 20 }),
    ];
    const each = (value: number) => ({ mean: value, p50: value, p95: value, p99: value });
    expect(summarise({ traces, durationMs: 2000 })).toEqual({
      durationSeconds: 2,
      completed: 2,
      failed: 0,
      failures: {},
      aborted: 0,
      inputTokens: 40,
      cachedTokens: 20,
      outputTokens: 4,
      requestThroughput: 1,
      outputThroughput: 2,
      totalTokenThroughput: 22,
      requestGoodput: null,
      ttftMs: { mean: 125, p50: 125, p95: 192.5, p99: 198.5 }, // 50 and 200
      itlMs: { mean: 20, p50: 20, p95: 29, p99: expect.closeTo(29.8, 9) }, // 10 and 30
      tpotMs: each(25), // (200 - 150) / 2; a single token has none
      e2elMs: { mean: 150, p50: 150, p95: 195, p99: 199 }, // 100 and 200
    });
  });

  it('counts successes only, and failures by their code', () => {
    const traces = [
      trace([10, 20]),
      trace([1, 2, 3], { outcome: { kind: 'aborted' } }),
      trace([5], { outcome: { kind: 'failed', code: 'INHOUSE_TIMEOUT' } }),
      trace([], { outcome: { kind: 'failed', code: 'INHOUSE_QUEUE_FULL' } }),
      trace([], { outcome: { kind: 'failed', code: 'INHOUSE_QUEUE_FULL' } }),
    ];
    expect(summarise({ traces, durationMs: 1000 })).toMatchObject({
      completed: 1,
      failed: 3,
      failures: { INHOUSE_TIMEOUT: 1, INHOUSE_QUEUE_FULL: 2 },
      aborted: 1,
      outputTokens: 2,
      inputTokens: 10,
      requestThroughput: 1,
      outputThroughput: 2,
      ttftMs: { mean: 10 },
      e2elMs: { mean: 20 },
    });
  });

  it('has no latencies where nothing was completed', () => {
    expect(summarise({ traces: [], durationMs: 0 })).toMatchObject({
      ...{ completed: 0, requestThroughput: 0, ttftMs: null, itlMs: null, tpotMs: null, e2elMs: null },
    });
  });

  it.each([
    { limits: ['ttft:50'], good: 2 },
    { limits: ['ttft:49'], good: 1 },
    { limits: ['itl:30'], good: 3 },
    { limits: ['itl:29.5'], good: 2 }, // one gap of 30 is one too many
    { limits: ['tpot:24'], good: 2 },
    { limits: ['tpot:25'], good: 3 },
    { limits: ['e2el:100'], good: 2 },
    { limits: ['ttft:50', 'itl:29'], good: 1 },
    { limits: ['ttft:1000', 'itl:1000', 'tpot:1000', 'e2el:1000'], good: 3 },
  ])('counts as good what keeps all limits: $limits', ({ limits, good }) => {
    const traces = [
      trace([50, 60, 90], { endMs: 100 }), // TTFT 50, gaps 10 and 30, TPOT 25
      trace([200]),
      trace([10, 12]),
      trace([1], { outcome: { kind: 'failed', code: 'INHOUSE_TIMEOUT' } }),
    ];
    expect(summarise({ traces, durationMs: 1000 }, parseGoodput(limits)).requestGoodput).toBe(good);
  });
});

describe('distribution', () => {
  it('interpolates between neighbours, in whatever order they come', () => {
    const values = Array.from({ length: 101 }, (_, i) => 100 - i);
    expect(distribution(values)).toEqual({ mean: 50, p50: 50, p95: 95, p99: 99 });
  });
});

describe('parseGoodput', () => {
  it('reads limits by name', () => {
    expect(parseGoodput(['ttft:500', 'itl:12.5'])).toEqual({ ttft: 500, itl: 12.5 });
  });

  it.each(['ttft', 'ttft:', 'ttft:-1', 'latency:5', 'ttft:5ms'])('refuses %j', (word) => {
    expect(() => parseGoodput([word])).toThrow(/goodput is ".*ttft, itl, tpot or e2el/);
  });
});

describe('drift', () => {
  it('sets the last fifth beside the first, with the slope per hour and its error', () => {
    const steady = [100, 102, 101, 110, 90, 104, 96, 99, 151, 149];
    expect(drift(steady, 60)).toMatchObject({ firstFifth: 101, lastFifth: 150, ratio: 150 / 101 });
    const rising = drift([10, 12, 14, 16, 18], 60)!; // 2 a minute
    expect(rising.slopePerHour).toBeCloseTo(120, 9);
    expect(rising.standardErrorPerHour).toBeCloseTo(0, 9);
  });

  it('has nothing to say about fewer than five readings', () => {
    expect(drift([1, 2, 3, 4], 60)).toBeNull();
  });
});
