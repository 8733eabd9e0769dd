import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Random } from '#bench/run/random.js';
import { closedLoop, type Load, openLoop, poissonArrivals } from '#bench/serve-load/drive.js';
import type { RequestTrace, Send } from '#bench/serve-load/trace.js';
import { QueueFullError } from '#inhouse/errors.js';

const REQUEST = { prompt: [1, 2, 3], outputTokens: 2 };
const FINE = { cachedTokens: 0, aborted: false };

function loadOf(send: Send, durationMs: number, signal = new AbortController().signal) {
  const traces: RequestTrace[] = [];
  const load: Load = {
    send,
    nextRequest: () => REQUEST,
    durationMs,
    signal,
    onTrace: (trace) => traces.push(trace),
  };
  return { load, traces };
}

/** Answers after so many milliseconds, a token half way and one at the end; at once when it is aborted. */
function answersAfter(ms: number): { send: Send; most: () => number } {
  let now = 0;
  let most = 0;
  const send: Send = async (_, onTokens, signal) => {
    now += 1;
    most = Math.max(most, now);
    await sleep(ms / 2, signal);
    if (!signal.aborted) onTokens(1);
    await sleep(ms / 2, signal);
    if (!signal.aborted) onTokens(1);
    now -= 1;
    return { cachedTokens: 0, aborted: signal.aborted };
  };
  return { send, most: () => most };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    signal.addEventListener('abort', () => resolve());
  });
}

describe('with a clock of its own', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  async function finished(loop: Promise<void>): Promise<void> {
    await vi.runAllTimersAsync();
    await loop;
  }

  describe('a closed loop', () => {
    it('has as many requests under way as callers, and lets the last of them come to their end', async () => {
      const { send, most } = answersAfter(100);
      const { load, traces } = loadOf(send, 250);
      const begin = performance.now();
      await finished(closedLoop(load, { concurrency: 3, batchSize: 1 }));
      expect(most()).toBe(3);
      expect(traces).toHaveLength(9); // sent at 0, 100 and 200
      expect(traces.at(-1)).toEqual({
        promptTokens: 3,
        cachedTokens: 0,
        dueMs: begin + 200,
        tokenMs: [begin + 250, begin + 300],
        endMs: begin + 300,
        outcome: { kind: 'completed' },
      });
    });

    it('has callers wait for all that they sent at once', async () => {
      let sent = 0;
      const send: Send = async (_, __, signal) => {
        sent += 1;
        await sleep(sent % 4 === 0 ? 100 : 10, signal);
        return FINE;
      };
      const { load, traces } = loadOf(send, 150);
      const begin = performance.now();
      await finished(closedLoop(load, { concurrency: 1, batchSize: 4 }));
      expect(traces.map(({ dueMs }) => dueMs - begin)).toEqual([0, 0, 0, 0, 100, 100, 100, 100]);
    });

    it('notes failures by their code, and has the refused caller wait before it comes again', async () => {
      const send: Send = async () => {
        throw new QueueFullError('INHOUSE_QUEUE_FULL', 'full');
      };
      const { load, traces } = loadOf(send, 350);
      await finished(closedLoop(load, { concurrency: 1, batchSize: 1 }));
      expect(traces.map(({ outcome }) => outcome)).toEqual(
        Array.from({ length: 4 }, () => ({ kind: 'failed', code: 'INHOUSE_QUEUE_FULL' })),
      );
    });

    it('ends at once when it is aborted, and says of what was under way that it was', async () => {
      const stop = new AbortController();
      const { load, traces } = loadOf(answersAfter(100).send, 1e6, stop.signal);
      setTimeout(() => stop.abort(), 150);
      const loop = closedLoop(load, { concurrency: 2, batchSize: 1 });
      await vi.advanceTimersByTimeAsync(160);
      await loop;
      expect(traces.map(({ outcome }) => outcome.kind)).toEqual([
        ...['completed', 'completed', 'aborted', 'aborted'],
      ]);
    });
  });

  describe('an open loop', () => {
    it('sends at the arrivals within its time, however slow the answers are', async () => {
      const { send, most } = answersAfter(1000);
      const { load, traces } = loadOf(send, 100);
      const begin = performance.now();
      await finished(openLoop(load, [5, 20, 20, 99, 100, 120]));
      expect(traces.map(({ dueMs }) => dueMs - begin)).toEqual([5, 20, 20, 99]);
      expect(traces.map(({ endMs }) => endMs - begin)).toEqual([1005, 1020, 1020, 1099]);
      expect(most()).toBe(4);
    });

    it('stops waiting for arrivals when it is aborted', async () => {
      const stop = new AbortController();
      const { load, traces } = loadOf(answersAfter(10).send, 1e6, stop.signal);
      const loop = openLoop(load, [50, 900_000]);
      await vi.advanceTimersByTimeAsync(100);
      stop.abort();
      await loop;
      expect(traces.map(({ outcome }) => outcome.kind)).toEqual(['completed']);
    });
  });
});

it('an open loop counts from when a request was due, though the event loop was held up', async () => {
  const send: Send = async () => {
    const until = performance.now() + 60;
    while (performance.now() < until);
    return FINE;
  };
  const { load, traces } = loadOf(send, 1000);
  await openLoop(load, [0, 10, 20]);
  const [first, second, third] = traces.map(({ dueMs, endMs }) => ({ dueMs, latencyMs: endMs - dueMs }));
  expect(second!.dueMs - first!.dueMs).toBeCloseTo(10, 6);
  expect(third!.dueMs - first!.dueMs).toBeCloseTo(20, 6);
  expect(second!.latencyMs).toBeGreaterThanOrEqual(60 + 50 - 1);
  expect(third!.latencyMs).toBeGreaterThanOrEqual(60 + 100 - 2);
});

describe('Poisson arrivals', () => {
  const gaps = (rate: number, seed: number, count: number) => {
    const arrivals = poissonArrivals(rate, new Random(seed));
    let last = 0;
    return Array.from({ length: count }, () => {
      const at = arrivals.next().value as number;
      const gap = at - last;
      last = at;
      return gap;
    });
  };

  it('come at the rate asked for, with gaps whose deviation is their mean', () => {
    const values = gaps(50, 1, 20_000);
    const mean = values.reduce((sum, gap) => sum + gap, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / values.length);
    expect(mean).toBeGreaterThan(19.4);
    expect(mean).toBeLessThan(20.6);
    expect(deviation / mean).toBeGreaterThan(0.97);
    expect(deviation / mean).toBeLessThan(1.03);
    const longer = values.filter((gap) => gap > 40).length / values.length;
    expect(longer).toBeGreaterThan(Math.exp(-2) - 0.01);
    expect(longer).toBeLessThan(Math.exp(-2) + 0.01);
  });

  it('are the same for the same seed', () => {
    expect(gaps(5, 3, 10)).toEqual(gaps(5, 3, 10));
    expect(gaps(5, 3, 10)).not.toEqual(gaps(5, 4, 10));
  });
});
