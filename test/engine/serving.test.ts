// What callers may rely on, one behaviour each, on the model simulator.
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { EngineEvent } from '#inhouse/engine/events.js';
import type { StreamChunk } from '#inhouse/engine/sequence.js';
import { DisposedError, InvalidInputError, QueueFullError, TimeoutError } from '#inhouse/errors.js';
import type { RunnerStatistics } from '#inhouse/runtime/runner.js';
import { DEVICE } from '../support/device.js';
import { FakeRunner, type FakeRunnerOptions } from '../support/fake-runner.js';
import { continuation, openEngine, request, submit } from './support.js';

/** A runner whose calls take a millisecond each, on a clock of its own. */
function clocked(options: FakeRunnerOptions = {}): { runner: FakeRunner; now: () => number } {
  let ms = 0;
  const sabotage = (call: string, row: number) => {
    ms++;
    options.sabotage?.(call, row);
  };
  return { runner: new FakeRunner({ ...options, sabotage }), now: () => ms };
}

const prompt = (of: number, length: number) => Array.from({ length }, (_, i) => (100 * of + i) % 1000);
const callsOf = (runner: FakeRunner, name: string) => runner.calls.filter((call) => call.startsWith(name));

describe('steps', () => {
  it('compute a long prompt in pieces, between which the others decode', async () => {
    const { runner, now } = clocked();
    const engine = openEngine(runner, { chunkSize: 8 }, now);
    const short = submit(engine, [1], { maxTokens: 30 });
    await expect.poll(() => short.chunks.length, { interval: 1 }).toBeGreaterThan(0);
    const begin = runner.calls.length;
    const long = submit(engine, prompt(1, 40), { maxTokens: 2 });
    await Promise.all([short.outcome, long.outcome]);
    const calls = runner.calls.slice(begin).map((call) => call.split(' ')[0]);
    const pieces = calls.flatMap((call, at) => (call === 'prefill' ? [at] : []));
    expect(pieces).toHaveLength(5);
    for (const at of pieces) expect(calls[at - 1]).toBe('decode');
  });

  it('draw several tokens per call while nobody waits, and one while somebody does', async () => {
    const { runner, now } = clocked({ maxRows: 1 });
    const engine = openEngine(runner, {}, now);
    await submit(engine, [1], { maxTokens: 40 }).outcome;
    expect(callsOf(runner, 'decode').length).toBeLessThan(10);
    const before = callsOf(runner, 'decode').length;
    const [first, second] = [submit(engine, [2], { maxTokens: 20 }), submit(engine, [3], { maxTokens: 1 })];
    await Promise.all([first.outcome, second.outcome]);
    expect(callsOf(runner, 'decode').length - before).toBe(19);
  });

  it('end at an abort in the middle of a burst', async () => {
    const { runner, now } = clocked();
    const engine = openEngine(runner, {}, now);
    const controller = new AbortController();
    let tokens = 0;
    const onChunk = (chunk: StreamChunk) => {
      tokens += chunk.tokens.length;
      if (tokens === 7) controller.abort();
    };
    const asked = request([1], { maxTokens: 40, signal: controller.signal }, onChunk);
    const { sequences } = await engine.submit(asked);
    expect(sequences[0]).toMatchObject({ finishReason: 'abort', tokens: continuation([1], 7) });
  });

  it('leave a row for others after such an abort that holds just what was given out', async () => {
    const { runner, now } = clocked();
    const engine = openEngine(runner, { prefixCacheRows: 1 }, now);
    const controller = new AbortController();
    let tokens = 0;
    const onChunk = (chunk: StreamChunk) => {
      tokens += chunk.tokens.length;
      if (tokens === 20) controller.abort();
    };
    await engine.submit(request([1], { maxTokens: 40, signal: controller.signal }, onChunk));
    const again = await submit(engine, [1, ...continuation([1], 20)], { maxTokens: 5 }).outcome;
    expect(again.cachedTokens).toBe(20); // of 21: the last one must be computed to draw the next
    expect(again.sequences[0]!.tokens).toEqual(continuation([1], 25).slice(20));
  });

  it('recompute who was preempted, to the same tokens', async () => {
    const runner = new FakeRunner();
    const engine = openEngine(runner, { kvLimitBytes: 64 });
    const all = [1, 2, 3].map((of) => ({
      of,
      outcome: submit(engine, prompt(of, 4), { maxTokens: 60, n: 1 }).outcome,
    }));
    for (const { of, outcome } of all) {
      expect((await outcome).sequences[0]!.tokens).toEqual(continuation(prompt(of, 4), 60));
    }
    expect(engine.statistics().preemptions).toBeGreaterThan(0);
    expect(runner.tokensHeldPeak).toBeLessThanOrEqual(64);
  });

  it('serve a higher priority first', async () => {
    const engine = openEngine(new FakeRunner({ maxRows: 1 }));
    const ended: number[] = [];
    const all = [0, 5, 1, 5].map((priority, i) =>
      submit(engine, [i + 1], { maxTokens: 3, priority }).outcome.then(() => ended.push(i)),
    );
    await Promise.all(all);
    expect(ended).toEqual([1, 3, 2, 0]);
  });

  it('begin together when an idle engine may wait for company, as soon as the batch is full or time is up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    let ms = 0;
    const pass = async (by: number) => {
      ms += by;
      await vi.advanceTimersByTimeAsync(by);
    };
    try {
      const runner = new FakeRunner({ maxRows: 2 });
      const engine = openEngine(runner, { batchTimeoutMs: 50 }, () => ms);
      const alone = submit(engine, [1], { maxTokens: 1 });
      await pass(49);
      expect(runner.calls).toEqual([]);
      await pass(1);
      await alone.outcome;
      const pair = [submit(engine, [2], { maxTokens: 1 }), submit(engine, [3], { maxTokens: 1 })];
      await Promise.all(pair.map(({ outcome }) => outcome)); // without time passing
      const last = submit(engine, [4], { maxTokens: 1 });
      const disposal = engine.dispose({ drain: true });
      await last.outcome; // nobody can come any more
      await disposal;

      const slow = openEngine(new FakeRunner(), { batchTimeoutMs: 3000 }, () => ms);
      const hasty = submit(slow, [1], { maxTokens: 1, timeoutMs: 200 });
      await pass(100);
      await hasty.outcome; // it would fail before the engine had waited for as long as it may
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the prefix cache', () => {
  const CACHING = { maxBatchSize: 2, prefixCacheRows: 2 };

  it('copies what a finished sequence has computed', async () => {
    const runner = new FakeRunner();
    const engine = openEngine(runner, CACHING);
    await submit(engine, prompt(1, 30), { maxTokens: 4 }).outcome;
    const again = await submit(engine, prompt(1, 30), { maxTokens: 6 }).outcome;
    expect(again).toMatchObject({
      cachedTokens: 29,
      sequences: [{ tokens: continuation(prompt(1, 30), 6) }],
    });
    expect(engine.statistics().prefixCache).toMatchObject({ lookups: 2, hits: 1, tokensSaved: 29, rows: 1 });
  });

  it('lets a conversation go on from its own history', async () => {
    const engine = openEngine(new FakeRunner(), CACHING);
    let history = prompt(1, 20);
    for (const turn of [1, 2, 3]) {
      const { sequences, cachedTokens } = await submit(engine, history, { maxTokens: 5 }).outcome;
      expect(sequences[0]!.tokens).toEqual(continuation(history, 5));
      expect(cachedTokens).toBe(turn === 1 ? 0 : history.length - 4); // its last token was never fed, and 3 are new
      history = [...history, ...sequences[0]!.tokens, 7, 8, 9];
    }
    expect(engine.statistics().prefixCache).toMatchObject({ rows: 1, evictions: 0 });
  });

  it('copies from a sequence that still runs', async () => {
    const engine = openEngine(new FakeRunner(), CACHING);
    const long = submit(engine, prompt(1, 30), { maxTokens: 30 });
    await expect.poll(() => long.chunks.length, { interval: 1 }).toBeGreaterThan(0);
    const { cachedTokens } = await submit(engine, [...prompt(1, 25), 999], { maxTokens: 2 }).outcome;
    expect(cachedTokens).toBe(25);
    await long.outcome;
  });

  it('never crosses namespaces', async () => {
    const engine = openEngine(new FakeRunner({ maxRows: 5 }), { maxBatchSize: 2, prefixCacheRows: 3 });
    const ask = (cacheNamespace?: string) =>
      submit(engine, prompt(1, 30), { maxTokens: 2, ...(cacheNamespace && { cacheNamespace }) }).outcome;
    await ask('a');
    expect((await ask('b')).cachedTokens).toBe(0);
    expect((await ask()).cachedTokens).toBe(0);
    expect((await ask('a')).cachedTokens).toBe(29);
  });

  it('makes way for what runs when memory is short', async () => {
    const runner = new FakeRunner();
    const engine = openEngine(runner, { ...CACHING, kvLimitBytes: 50 });
    await submit(engine, prompt(1, 30), { maxTokens: 2 }).outcome;
    await submit(engine, prompt(2, 30), { maxTokens: 2 }).outcome;
    await expect
      .poll(() => engine.statistics())
      .toMatchObject({ preemptions: 0, prefixCache: { evictions: 1, rows: 1 } });
    expect(runner.tokensHeldPeak).toBeLessThanOrEqual(50);
  });

  it('keeps nothing when it is off', async () => {
    const runner = new FakeRunner();
    const engine = openEngine(runner, { maxBatchSize: 2, prefixCacheRows: 0 });
    await submit(engine, prompt(1, 30), { maxTokens: 2 }).outcome;
    expect((await submit(engine, prompt(1, 30), { maxTokens: 2 }).outcome).cachedTokens).toBe(0);
    await expect.poll(() => runner.rowsOpen).toBe(0);
  });
});

describe('a request that cannot be served', () => {
  it('is refused at once when KV memory could never hold it, with the numbers', async () => {
    const runner = new FakeRunner();
    const engine = openEngine(runner, { kvLimitBytes: 320, kvBytesPerToken: 10, pageTokens: 8 });
    const error = await submit(engine, prompt(1, 20), { maxTokens: 14 }).outcome.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InvalidInputError);
    expect(error).toMatchObject({
      code: 'INHOUSE_KV_LIMIT',
      details: { tokens: 33, neededBytes: 400, limitBytes: 320, bytesPerToken: 10 },
    });
    expect(runner.calls).toEqual([]);
    await submit(engine, prompt(1, 20), { maxTokens: 13 }).outcome; // exactly full
  });

  it('is refused when its id is taken, until that request has ended', async () => {
    const engine = openEngine(new FakeRunner());
    const first = submit(engine, [1], { id: 'mine', maxTokens: 5 });
    await expect(submit(engine, [2], { id: 'mine' }).outcome).rejects.toMatchObject({
      code: 'INHOUSE_DUPLICATE_ID',
      details: { id: 'mine' },
    });
    await first.outcome;
    await submit(engine, [2], { id: 'mine', maxTokens: 1 }).outcome;
  });

  it('is refused when too many wait: of 10 000 none is lost', async () => {
    const engine = openEngine(new FakeRunner({ maxRows: 4 }), { maxWaiting: 100, checkInvariants: false });
    const all = Array.from(
      { length: 10_000 },
      (_, i) => submit(engine, [i % 1000], { maxTokens: 1 }).outcome,
    );
    const answers = await Promise.allSettled(all);
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []));
    expect(refused).toHaveLength(10_000 - 4 - 100);
    expect(refused[0]).toBeInstanceOf(QueueFullError);
    expect(refused[0]).toMatchObject({
      code: 'INHOUSE_QUEUE_FULL',
      status: 429,
      retryable: true,
      details: { queueDepth: 100, maxQueueSize: 100 },
    });
    await expect.poll(() => engine.statistics()).toMatchObject({ running: 0, waiting: 0 });
  });

  it('is not refused for want of places in line when there is a row for it', async () => {
    const engine = openEngine(new FakeRunner({ maxRows: 4 }), { maxWaiting: 2 });
    const { sequences } = await submit(engine, [1], { maxTokens: 3, n: 4 }).outcome;
    expect(sequences).toHaveLength(4);
    const [running, waiting, beyond] = [3, 3, 1].map((n) => submit(engine, [2], { maxTokens: 3, n }));
    await expect(beyond!.outcome).rejects.toMatchObject({ details: { queueDepth: 2, maxQueueSize: 2 } });
    await Promise.all([running!.outcome, waiting!.outcome]);
  });

  it('waits with 10 000 others where that is allowed, and is served', async () => {
    const engine = openEngine(new FakeRunner({ maxRows: 4 }), { maxWaiting: 10_000, checkInvariants: false });
    const all = Array.from(
      { length: 10_000 },
      (_, i) => submit(engine, [i % 1000], { maxTokens: 1 }).outcome,
    );
    for (const [i, { sequences }] of (await Promise.all(all)).entries()) {
      expect(sequences[0]!.tokens).toEqual(continuation([i % 1000], 1));
    }
  });

  it('may share its signal with any number of others', async () => {
    const warnings: string[] = [];
    const note = (warning: Error) => warnings.push(warning.name);
    process.on('warning', note);
    const engine = openEngine(new FakeRunner());
    const controller = new AbortController();
    const given = { maxTokens: 50, signal: controller.signal };
    const all = Array.from({ length: 40 }, (_, i) => submit(engine, [i], given).outcome);
    controller.abort();
    for (const { sequences } of await Promise.all(all)) expect(sequences[0]!.finishReason).toBe('abort');
    await setImmediate(); // warnings come later
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('ends without work when it was aborted before', async () => {
    const runner = new FakeRunner();
    const engine = openEngine(runner);
    const { outcome, chunks } = submit(engine, [1], { maxTokens: 5, signal: AbortSignal.abort() });
    expect(await outcome).toMatchObject({
      sequences: [{ finishReason: 'abort', tokens: [] }],
      promptTokens: 0,
    });
    expect(chunks).toMatchObject([{ finishReason: 'abort' }]);
    expect(runner.calls).toEqual([]);
  });
});

describe('a time limit', () => {
  it('fails a request that runs, with what it had, and spares the others', async () => {
    const { runner, now } = clocked({ maxRows: 2 });
    const engine = openEngine(runner, {}, now);
    const late = submit(engine, [1], { maxTokens: 60, timeoutMs: 5, id: 'late' });
    const other = submit(engine, [2], { maxTokens: 60 });
    const error = (await late.outcome.catch((e: unknown) => e)) as TimeoutError;
    expect(error).toBeInstanceOf(TimeoutError);
    const { usage, choices } = error.details as {
      usage: { completionTokens: number };
      choices: Array<{ tokens: number[] }>;
    };
    expect(error.details).toMatchObject({ usage: { promptTokens: 1 }, computeMs: expect.any(Number) });
    expect(error.details).toMatchObject({ id: 'late', timeoutMs: 5 });
    expect(usage.completionTokens).toBeGreaterThan(0);
    expect(choices[0]!.tokens).toEqual(continuation([1], usage.completionTokens));
    expect((await other.outcome).sequences[0]!.tokens).toEqual(continuation([2], 60));
    await expect.poll(() => runner.rowsOpen).toBe(0);
  });

  it('fails a request that still waits', async () => {
    const { runner, now } = clocked({ maxRows: 1 });
    const engine = openEngine(runner, {}, now);
    const first = submit(engine, [1], { maxTokens: 40 });
    const late = submit(engine, [2], { maxTokens: 5, timeoutMs: 5 });
    await expect(late.outcome).rejects.toMatchObject({
      message: expect.stringContaining('still waiting'),
      details: { usage: { promptTokens: 0, completionTokens: 0, totalTokens: 0 }, computeMs: 0 },
    });
    await first.outcome;
    expect(callsOf(runner, 'openRow')).toHaveLength(1);
  });
});

describe('disposal', () => {
  it('lets everyone come to the end when it drains, and takes in nobody', async () => {
    const runner = new FakeRunner({ maxRows: 1 });
    const engine = openEngine(runner);
    const all = [1, 2, 3].map((token) => submit(engine, [token], { maxTokens: 4 }));
    const disposal = engine.dispose({ drain: true });
    await expect(submit(engine, [4], {}).outcome).rejects.toBeInstanceOf(DisposedError);
    for (const [i, { outcome }] of all.entries()) {
      expect((await outcome).sequences[0]!.tokens).toEqual(continuation([i + 1], 4));
    }
    await disposal;
    expect(runner.disposed).toBe(true);
  });

  it('cuts a drain short when it is asked for again without', async () => {
    const runner = new FakeRunner({ maxRows: 1 });
    const engine = openEngine(runner);
    const { outcome } = submit(engine, [1], { maxTokens: 60 });
    const drained = engine.dispose({ drain: true });
    await Promise.all([expect(outcome).rejects.toBeInstanceOf(DisposedError), engine.dispose(), drained]);
    expect(runner.disposed).toBe(true);
  });
});

describe('what an engine tells', () => {
  it('says once how a request ended whose receiver disposes of the engine', async () => {
    const events: EngineEvent[] = [];
    const engine = openEngine(new FakeRunner(), { onEvent: (event) => events.push(event) });
    let tokens = 0;
    const onChunk = () => {
      tokens++;
      if (tokens === 3) void engine.dispose();
    };
    await expect(engine.submit(request([1], { maxTokens: 9 }, onChunk))).rejects.toBeInstanceOf(
      DisposedError,
    );
    await engine.dispose();
    const ends = events.map(({ type }) => type).filter((type) => type === 'failed' || type === 'finished');
    expect(ends).toEqual(['failed']);
    expect(engine.metrics()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'inhouse.request_success', value: 0 }),
        expect.objectContaining({ name: 'inhouse.request_failure', value: 1 }),
      ]),
    );
  });

  it('follows each request from queue to end', async () => {
    const events: EngineEvent[] = [];
    const engine = openEngine(new FakeRunner({ maxRows: 1 }), {
      onEvent: (event) => events.push(event),
      maxWaiting: 1,
    });
    const outcomes = ['first', 'second', 'third'].map(
      (id) => submit(engine, [1, 2], { id, maxTokens: 3 }).outcome,
    );
    await Promise.allSettled(outcomes);
    const of = (wanted: string) => events.filter((event) => 'id' in event && event.id === wanted);
    expect(of('first').map(({ type }) => type)).toEqual(['queued', 'admitted', 'finished']);
    expect(of('third').map(({ type }) => type)).toEqual(['refused']);
    expect(of('second').at(-1)).toMatchObject({
      finishReasons: ['length'],
      promptTokens: 2,
      completionTokens: 3,
    });
    const steps = events.filter((event) => event.type === 'step');
    expect(steps.reduce((sum, step) => sum + step.promptTokens, 0)).toBe(4);
  });

  it.each([
    [
      'throws',
      () => {
        throw new Error('listener');
      },
    ],
    ['rejects', () => Promise.reject(new Error('listener'))],
  ])('does not hurt it when the listener %s: that becomes one warning', async (_how, onEvent) => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    try {
      const engine = openEngine(new FakeRunner(), { onEvent });
      expect((await submit(engine, [1], { maxTokens: 5 }).outcome).sequences[0]!.finishReason).toBe('length');
      await engine.dispose();
      expect(warnings.mock.calls.map(([message]) => message)).toEqual(['onEvent failed: listener']);
    } finally {
      warnings.mockRestore();
    }
  });

  it('adds up in its metrics', async () => {
    const { runner, now } = clocked();
    const engine = openEngine(runner, { maxBatchSize: 2, prefixCacheRows: 2, kvLimitBytes: 1000 }, now);
    await submit(engine, prompt(1, 30), { maxTokens: 4 }).outcome;
    await submit(engine, prompt(1, 30), { maxTokens: 4 }).outcome;
    await submit(engine, prompt(2, 30), { maxTokens: 4, timeoutMs: 1 }).outcome.catch(() => {});
    const metrics = Object.fromEntries(engine.metrics().map((metric) => [metric.name, metric]));
    const value = (name: string) => {
      const metric = metrics[name]!;
      return metric.kind === 'histogram' ? metric.data.count : metric.value;
    };
    expect({
      ttft: value('gen_ai.server.time_to_first_token'),
      gaps: value('inhouse.inter_token_latency'),
      generated: value('inhouse.generation_tokens'),
      prompt: value('inhouse.prompt_tokens') - (value('inhouse.prefix_cache_queries') - 2) * 30,
      hits: value('inhouse.prefix_cache_hits'),
      saved: value('inhouse.prefix_cache_saved_tokens'),
      success: value('inhouse.request_success'),
      failure: value('inhouse.request_failure'),
      waiting: value('inhouse.num_requests_waiting'),
    }).toEqual({
      ttft: 2,
      gaps: 6,
      generated: 9,
      prompt: 31,
      hits: 1,
      saved: 29,
      success: 2,
      failure: 1,
      waiting: 0,
    });
  });

  it('tells the memory of a device in its metrics, as it was when they were last asked for', async () => {
    class OnDevice extends FakeRunner {
      usedBytes = 6e9;
      override async statistics() {
        if (this.disposed) throw new Error('disposed of');
        return { device: { ...DEVICE, usedBytes: this.usedBytes } } as RunnerStatistics;
      }
    }
    const runner = new OnDevice();
    const engine = openEngine(runner, { device: DEVICE });
    const memory = () =>
      Object.fromEntries(
        engine.metrics().flatMap((metric) => {
          const name = /^inhouse\.device_memory_(\w+)$/.exec(metric.name)?.[1];
          return name === undefined || metric.kind === 'histogram' ? [] : [[name, metric.value]];
        }),
      );
    expect(memory()).toEqual({
      ...{ total: 85e9, used: 5e9, free: 80e9, process: 2e9 },
      ...{ weights: 3e8, in_use: 4e8, in_use_peak: 5e8, held: 6e8 },
    });
    await setImmediate(); // the runner's answer comes meanwhile
    expect(memory()).toMatchObject({ used: 6e9 });
    await engine.dispose();
    expect(memory()).toMatchObject({ used: 6e9 }); // the runner answers no more
  });

  it('tells nothing of a device where there is none', () => {
    const names = openEngine(new FakeRunner())
      .metrics()
      .map(({ name }) => name);
    expect(names.filter((name) => name.includes('device'))).toEqual([]);
  });

  it('includes that its own books are wrong, when it checks them', async () => {
    class Overeager extends FakeRunner {
      override decode(rows: number) {
        return super.decode(rows, 8); // though one was asked for
      }
    }
    const engine = openEngine(new Overeager(), { kvLimitBytes: 50 });
    const all = [1, 2].map((of) => submit(engine, prompt(of, 4), { maxTokens: 40 }).outcome);
    for (const outcome of all) {
      await expect(outcome).rejects.toMatchObject({
        code: 'INHOUSE_INTERNAL',
        message: expect.stringContaining('KV positions taken, 50 allowed'),
      });
    }
    const { sequences } = await submit(engine, [1], { maxTokens: 2 }).outcome; // asked while it closes the rows
    expect(sequences[0]!.tokens).toHaveLength(2);
  });
});
