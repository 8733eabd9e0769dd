// Calls of the runner that belong to no generation, beside generations and alone, on the model simulator.
import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DisposedError, QueueFullError } from '#inhouse/errors.js';
import { FakeRunner } from '../support/fake-runner.js';
import { continuation, openEngine, submit } from './support.js';

/** An engine whose decode steps, prompt chunks and side calls take so many milliseconds each, on a clock of its own. */
function clocked({ stepMs = 20, sideMs = 20, maxRows = 4 } = {}) {
  let ms = 0;
  const runner = new FakeRunner({
    maxRows,
    sabotage: (call) => {
      if (call === 'decode' || call === 'prefill') ms += stepMs;
    },
  });
  const engine = openEngine(runner, {}, () => ms);
  /** `count` calls that are noted among the runner's and give their names. */
  const calls = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => async () => {
      runner.calls.push(`side ${name}${i}`);
      await setImmediate();
      ms += sideMs;
      return `${name}${i}`;
    });
  return { runner, engine, calls };
}

const sideCalls = (runner: FakeRunner) => runner.calls.filter((call) => call.startsWith('side'));

/** How many decode steps there are before the first side call, between each and the next, and after the last. */
function stepsBetween(calls: readonly string[]): number[] {
  const steps = [0];
  for (const call of calls) {
    if (call.startsWith('side')) steps.push(0);
    else if (call.startsWith('decode')) steps[steps.length - 1]! += 1;
  }
  return steps;
}

describe('side work beside a generation', () => {
  it('leaves a step between any two calls, however many callers there are', async () => {
    const { runner, engine, calls } = clocked();
    const generation = submit(engine, [1], { maxTokens: 30 });
    const jobs = ['a', 'b', 'c', 'd'].map((name) => engine.sideWork.run(calls(name, 5)));
    await Promise.all([generation.outcome, ...jobs]);
    const [, ...between] = stepsBetween(runner.calls).slice(0, -1);
    expect(between).toHaveLength(19);
    expect(Math.min(...between)).toBeGreaterThan(0);
  });

  it('leaves it as much time as the calls take', async () => {
    const { runner, engine, calls } = clocked({ stepMs: 20, sideMs: 100 });
    const generation = submit(engine, [1], { maxTokens: 40 });
    const jobs = ['a', 'b'].map((name) => engine.sideWork.run(calls(name, 3)));
    await Promise.all([generation.outcome, ...jobs]);
    expect(stepsBetween(runner.calls).slice(1, -1)).toEqual([5, 5, 5, 5, 5]);
  });

  it('changes neither its tokens, nor what it is charged, nor how its steps are planned', async () => {
    const prompt = [1, 2, 3];
    const alone = clocked({ stepMs: 4, sideMs: 1000 });
    const expected = await submit(alone.engine, prompt, { maxTokens: 40 }).outcome;
    const { runner, engine, calls } = clocked({ stepMs: 4, sideMs: 1000 });
    const generation = submit(engine, prompt, { maxTokens: 40 });
    const job = engine.sideWork.run(calls('a', 1));
    const { sequences, timings } = await generation.outcome;
    await Promise.all([job, engine.dispose({ drain: true }), alone.engine.dispose({ drain: true })]);
    expect(sequences).toEqual(expected.sequences);
    expect(sequences[0]!.tokens).toEqual(continuation(prompt, 40));
    expect(timings.computeMs).toBe(expected.timings.computeMs);
    expect(timings.totalMs).toBe(expected.timings.totalMs + 1000);
    expect(runner.calls.filter((call) => !call.startsWith('side'))).toEqual(alone.runner.calls);
  });

  it('is not held up by an engine that waits for company', async () => {
    const runner = new FakeRunner({ maxRows: 2 });
    const engine = openEngine(runner, { batchTimeoutMs: 60_000 });
    const first = submit(engine, [1], { maxTokens: 2 });
    await setImmediate();
    expect(await engine.sideWork.run([async () => 'now'])).toEqual(['now']);
    expect(runner.calls).toEqual([]);
    await Promise.all([first.outcome, submit(engine, [2], { maxTokens: 2 }).outcome]);
  });
});

describe('side work', () => {
  it('is done at once on an idle engine, the callers in turns, and gives what the calls give', async () => {
    const { runner, engine, calls } = clocked();
    const jobs = [engine.sideWork.run(calls('a', 3)), engine.sideWork.run(calls('b', 2))];
    expect(await Promise.all(jobs)).toEqual([
      ['a0', 'a1', 'a2'],
      ['b0', 'b1'],
    ]);
    expect(runner.calls).toEqual(['side a0', 'side b0', 'side a1', 'side b1', 'side a2']);
  });

  it('waits in a line as long as that of choices, which it takes no place of', async () => {
    const runner = new FakeRunner({ maxRows: 1 });
    const engine = openEngine(runner, { maxWaiting: 2 });
    const generations = [1, 2, 3].map((token) => submit(engine, [token], { maxTokens: 3 }).outcome);
    const call = async () => 'done';
    const leaving = new AbortController();
    const jobs = [leaving.signal, undefined, undefined].map((signal) =>
      engine.sideWork.run([call, call], signal).catch(() => 'left'),
    );
    const beyond = engine.sideWork.run([call]);
    await expect(beyond).rejects.toBeInstanceOf(QueueFullError);
    await expect(beyond).rejects.toMatchObject({
      code: 'INHOUSE_QUEUE_FULL',
      message: expect.stringContaining('2 score and embed calls wait already'),
      details: { queueDepth: 2, asked: 1, maxQueueSize: 2, retryAfterSeconds: 30 },
    });
    leaving.abort();
    jobs.push(engine.sideWork.run([call, call])); // in the place that became free
    expect(await Promise.all(jobs)).toEqual(['left', ...Array(3).fill(['done', 'done'])]);
    expect(await engine.sideWork.run([call])).toEqual(['done']);
    await Promise.all(generations);
  });

  it('that fails, fails alone', async () => {
    const { engine, calls } = clocked();
    const broken = async () => {
      throw new Error('no such token');
    };
    const jobs = [engine.sideWork.run([broken, broken]), engine.sideWork.run(calls('b', 2))];
    const generation = submit(engine, [1], { maxTokens: 4 });
    await expect(jobs[0]).rejects.toThrow('no such token');
    expect(await jobs[1]).toEqual(['b0', 'b1']);
    expect((await generation.outcome).sequences[0]!.tokens).toEqual(continuation([1], 4));
  });

  it('rejects at once when it is aborted, waiting or begun, and makes no more calls', async () => {
    const { runner, engine, calls } = clocked();
    const [begun, waiting] = [new AbortController(), new AbortController()];
    let finish = () => {};
    const long = () => new Promise<string>((resolve) => (finish = () => resolve('late')));
    const jobs = [
      engine.sideWork.run([long, ...calls('a', 1)], begun.signal),
      engine.sideWork.run(calls('b', 2), waiting.signal),
      engine.sideWork.run(calls('c', 2)),
    ];
    await setImmediate();
    waiting.abort(new Error('enough of b'));
    await expect(jobs[1]).rejects.toThrow('enough of b');
    begun.abort(new Error('enough of a'));
    await expect(jobs[0]).rejects.toThrow('enough of a');
    finish();
    expect(await jobs[2]).toEqual(['c0', 'c1']);
    expect(sideCalls(runner)).toEqual(['side c0', 'side c1']);
    await expect(engine.sideWork.run(calls('d', 1), begun.signal)).rejects.toThrow('enough of a');
    expect(sideCalls(runner)).toHaveLength(2);
  });

  it('listens to its signal no longer than it lasts', async () => {
    const { engine, calls } = clocked();
    const { signal } = new AbortController();
    const broken = () => Promise.reject(new Error('broken'));
    const jobs = [engine.sideWork.run(calls('a', 2), signal), engine.sideWork.run([broken], signal)];
    expect(getEventListeners(signal, 'abort')).toHaveLength(2);
    await Promise.allSettled(jobs);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('fails on disposal, which waits for the call that has begun', async () => {
    const { runner, engine } = clocked();
    const { signal } = new AbortController();
    let finish = () => {};
    const long = () => new Promise<void>((resolve) => (finish = resolve));
    const job = engine.sideWork.run([long, long], signal);
    await setImmediate();
    const disposal = engine.dispose();
    await expect(job).rejects.toBeInstanceOf(DisposedError);
    await setImmediate();
    expect(runner.disposed).toBe(false);
    finish();
    await disposal;
    expect(runner.disposed).toBe(true);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('that waits fails at once on disposal, and so does what comes after', async () => {
    const { runner, engine, calls } = clocked();
    const generation = submit(engine, [1], { maxTokens: 40 });
    const jobs = ['a', 'b', 'c'].map((name) => engine.sideWork.run(calls(name, 3)));
    const disposal = engine.dispose();
    jobs.push(engine.sideWork.run(calls('d', 1)));
    for (const call of [generation.outcome, ...jobs])
      await expect(call).rejects.toBeInstanceOf(DisposedError);
    await disposal;
    expect(runner).toMatchObject({ disposed: true, rowsOpen: 0 });
    expect(sideCalls(runner)).toEqual([]);
  });

  it('comes to its end when the engine drains, unless that is cut short', async () => {
    const { runner, engine, calls } = clocked();
    const job = engine.sideWork.run(calls('a', 3));
    const drained = engine.dispose({ drain: true });
    await expect(engine.sideWork.run(calls('b', 1))).rejects.toBeInstanceOf(DisposedError);
    expect(await job).toEqual(['a0', 'a1', 'a2']);
    await drained;
    expect(runner.disposed).toBe(true);

    const other = clocked();
    const cut = other.engine.sideWork.run(other.calls('a', 3));
    const disposals = [other.engine.dispose({ drain: true }), other.engine.dispose()];
    await expect(cut).rejects.toBeInstanceOf(DisposedError);
    await Promise.all(disposals);
  });

  it('fails with everybody else when the books of the engine are wrong', async () => {
    class Overeager extends FakeRunner {
      override decode(rows: number) {
        return super.decode(rows, 8); // though one was asked for
      }
    }
    const runner = new Overeager();
    const engine = openEngine(runner, { kvLimitBytes: 50 });
    const all = [1, 2].map((token) => submit(engine, [token, 2, 3, 4], { maxTokens: 40 }).outcome);
    const endless = Array.from({ length: 1000 }, () => () => setImmediate());
    for (const call of [...all, engine.sideWork.run(endless)]) {
      await expect(call).rejects.toMatchObject({ code: 'INHOUSE_INTERNAL' });
    }
    expect(await engine.sideWork.run([async () => 'again'])).toEqual(['again']);
  });
});
