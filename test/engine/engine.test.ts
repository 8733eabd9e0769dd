import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RunnerError } from '#inhouse/errors.js';
import { FakeRunner } from '../support/fake-runner.js';
import { continuation, openEngine, request, submit } from './support.js';

const settled = (promise: Promise<unknown>) =>
  promise.then(
    () => 'fulfilled',
    (error: Error) => error.message,
  );

describe('the engine', () => {
  it('gives every request its own tokens, whatever the others do', async () => {
    const requests = fc.array(
      fc.record({
        prompt: fc.array(fc.nat(999), { minLength: 1, maxLength: 20 }),
        maxTokens: fc.integer({ min: 1, max: 20 }),
        n: fc.integer({ min: 1, max: 3 }),
        stop: fc.option(fc.integer({ min: 0, max: 19 })),
        abortAfter: fc.option(fc.integer({ min: 1, max: 10 })),
      }),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(requests, fc.integer({ min: 1, max: 5 }), async (all, maxRows) => {
        const runner = new FakeRunner({ maxRows });
        const engine = openEngine(runner);
        const running = all.map(({ prompt, maxTokens, n, stop, abortAfter }) => {
          const tokens = continuation(prompt, maxTokens);
          const stopTokenIds = stop === null || stop >= maxTokens ? [] : [tokens[stop]!];
          const controller = new AbortController();
          let seen = 0;
          const onToken = () => {
            seen++;
            if (seen === abortAfter) controller.abort();
          };
          const given = { maxTokens, n, stopTokenIds, signal: controller.signal };
          const request = submit(engine, prompt, given);
          const push = request.chunks.push.bind(request.chunks);
          request.chunks.push = (...chunks) => {
            if (chunks.some((chunk) => chunk.tokens.length > 0)) onToken();
            return push(...chunks);
          };
          return { ...request, tokens, stopTokenIds, aborts: abortAfter !== null };
        });
        for (const { outcome, chunks, tokens, stopTokenIds, aborts } of running) {
          const { sequences } = await outcome;
          for (const sequence of sequences) {
            const end = stopTokenIds.length > 0 ? tokens.indexOf(stopTokenIds[0]!) + 1 : tokens.length;
            const whole = tokens.slice(0, end);
            if (sequence.finishReason === 'abort') {
              expect(aborts).toBe(true);
              expect(sequence.tokens).toEqual(whole.slice(0, sequence.tokens.length));
            } else {
              expect(sequence.tokens).toEqual(whole);
              expect(sequence.finishReason).toBe(
                end < tokens.length || stopTokenIds.includes(whole.at(-1)!) ? 'stop' : 'length',
              );
            }
            const own = chunks.filter((chunk) => chunk.index === sequence.index);
            expect(own.flatMap((chunk) => chunk.tokens)).toEqual(sequence.tokens);
            expect(own.filter((chunk) => chunk.finishReason !== undefined)).toHaveLength(1);
            expect(own.at(-1)!.finishReason).toBe(sequence.finishReason);
          }
        }
        await expect.poll(() => runner.rowsOpen).toBe(0);
        expect(engine.statistics()).toMatchObject({ running: 0, waiting: 0 });
      }),
      { numRuns: 200 },
    );
  });

  it('serves requests in the order they came', async () => {
    const engine = openEngine(new FakeRunner({ maxRows: 1 }));
    const ended: number[] = [];
    const all = [0, 1, 2, 3].map((i) =>
      submit(engine, [i + 1], { maxTokens: 3 }).outcome.then(() => ended.push(i)),
    );
    await Promise.all(all);
    expect(ended).toEqual([0, 1, 2, 3]);
  });

  it('computes the prompt of several choices once', async () => {
    const runner = new FakeRunner();
    const prompt = [1, 2, 3, 4];
    const { sequences } = await submit(openEngine(runner), prompt, { maxTokens: 2, n: 3 }).outcome;
    expect(sequences.map(({ tokens }) => tokens)).toEqual(new Array(3).fill(continuation(prompt, 2)));
    expect(runner.calls.filter((call) => call.startsWith('copyPrefix'))).toHaveLength(2);
  });

  it('fails only the request whose prompt cannot be computed', async () => {
    let prefills = 0;
    const runner = new FakeRunner({
      sabotage: (call) => {
        if (call === 'prefill' && ++prefills === 2) throw new Error('poisoned');
      },
    });
    const engine = openEngine(runner);
    const [good, bad, late] = [[1], [2], [3]].map((prompt) => submit(engine, prompt, { maxTokens: 5 }));
    expect(await settled(bad!.outcome)).toBe('poisoned');
    for (const [request, prompt] of [
      [good!, [1]],
      [late!, [3]],
    ] as const) {
      expect((await request.outcome).sequences[0]!.tokens).toEqual(continuation(prompt, 5));
    }
    await expect.poll(() => runner.rowsOpen).toBe(0);
  });

  it('fails a request that no row can be opened for, and goes on with the others', async () => {
    let opened = 0;
    const runner = new FakeRunner({
      sabotage: (call) => {
        if (call === 'openRow' && ++opened === 1) throw new Error('no row');
      },
    });
    const engine = openEngine(runner);
    const bad = submit(engine, [1], { maxTokens: 5 });
    const good = submit(engine, [2], { maxTokens: 5 });
    expect(await settled(bad.outcome)).toBe('no row');
    expect((await good.outcome).sequences[0]!.tokens).toEqual(continuation([2], 5));
    await expect.poll(() => runner.rowsOpen).toBe(0);
  });

  it('fails the requests of a step that fails, and serves those that come after', async () => {
    let decodes = 0;
    const runner = new FakeRunner({
      maxRows: 2,
      sabotage: (call) => {
        if (call === 'decode' && ++decodes === 3) throw new Error('step failed');
      },
    });
    const engine = openEngine(runner);
    const all = [[1], [2], [3]].map((prompt) => submit(engine, prompt, { maxTokens: 8 }).outcome);
    expect(await Promise.all(all.map(settled))).toEqual(['step failed', 'step failed', 'fulfilled']);
    await expect.poll(() => runner.rowsOpen).toBe(0);
  });

  it('fails only the request whose row a failed step names', async () => {
    let decodes = 0;
    const named = new RunnerError('INHOUSE_RUNTIME_STEP', 'row failed', { details: { row: 1 } });
    const runner = new FakeRunner({
      sabotage: (call) => {
        if (call === 'decode' && ++decodes === 3) throw named;
      },
    });
    const engine = openEngine(runner);
    const prompts = [[1], [2], [3]];
    const outcomes = prompts.map((prompt) => submit(engine, prompt, { maxTokens: 8 }).outcome);
    const ends = await Promise.allSettled(outcomes);
    expect(ends.filter(({ status }) => status === 'rejected')).toEqual([
      { status: 'rejected', reason: named },
    ]);
    for (const [i, end] of ends.entries()) {
      if (end.status === 'fulfilled')
        expect(end.value.sequences[0]!.tokens).toEqual(continuation(prompts[i]!, 8));
    }
    await expect.poll(() => runner.rowsOpen).toBe(0);
  });

  it('fails only the request whose receiver throws', async () => {
    const engine = openEngine(new FakeRunner());
    let chunks = 0;
    const onChunk = () => {
      chunks++;
      if (chunks === 3) throw new Error('receiver');
    };
    const bad = engine.submit({ ...request([1], { maxTokens: 5 }), onChunk });
    const good = submit(engine, [2], { maxTokens: 5 });
    expect(await settled(bad)).toBe('receiver');
    expect((await good.outcome).sequences[0]!.tokens).toEqual(continuation([2], 5));
  });

  it('ends when the runner breaks down, with everyone told', async () => {
    let broken = false;
    const runner = new FakeRunner({
      sabotage: (call) => {
        broken ||= call === 'closeRow';
        if (broken) throw new Error('the thread died');
      },
    });
    const engine = openEngine(runner);
    const short = submit(engine, [1], { maxTokens: 2 });
    const long = submit(engine, [2], { maxTokens: 20 });
    expect(await settled(short.outcome)).toBe('fulfilled');
    expect(await settled(long.outcome)).toBe('the thread died');
    expect(await settled(submit(engine, [3], { maxTokens: 2 }).outcome)).toBe('the thread died');
    await expect.poll(() => engine.statistics()).toMatchObject({ running: 0, waiting: 0 });
  });

  it.each([0, 2])(
    'serves everyone again after a row could not be moved, with %i cached ones',
    async (prefixCacheRows) => {
      let refusing = true;
      const runner = new FakeRunner({
        sabotage: (call) => {
          if (call !== 'moveRow' || !refusing) return;
          refusing = false;
          throw new Error('no memory');
        },
      });
      const engine = openEngine(runner, { maxBatchSize: 2, prefixCacheRows });
      const ask = (of: number, maxTokens: number) =>
        submit(engine, [of, ...new Array(20).fill(7)], { maxTokens }).outcome;
      const [short, long] = [ask(1, 2), ask(2, 20)];
      expect(await settled(short)).toBe('fulfilled');
      expect(await settled(long)).toBe('no memory');
      const later = await Promise.all([1, 2, 3].map((of) => ask(of, 5)));
      later.forEach(({ sequences }, i) => {
        expect(sequences[0]!.tokens).toEqual(continuation([i + 1, ...new Array(20).fill(7)], 5));
      });
      await expect.poll(() => runner.rowsOpen).toBe(prefixCacheRows);
    },
  );

  it('fails what runs and waits on disposal, then disposes of the runner', async () => {
    const runner = new FakeRunner({ maxRows: 1 });
    const engine = openEngine(runner);
    const all = [[1], [2]].map((prompt) => settled(submit(engine, prompt, { maxTokens: 20 }).outcome));
    await engine.dispose();
    expect(runner).toMatchObject({ disposed: true, rowsOpen: 0 });
    for (const answer of await Promise.all(all)) expect(answer).toMatch(/was disposed/);
    await expect(submit(engine, [3], {}).outcome).rejects.toMatchObject({ code: 'INHOUSE_DISPOSED' });
  });

  it('fails a request that was just being given its row when the engine was disposed of', async () => {
    const runner = new FakeRunner({
      sabotage: (call) => {
        if (call === 'openRow') void engine.dispose();
      },
    });
    const engine = openEngine(runner);
    expect(await settled(submit(engine, [1], { maxTokens: 50 }).outcome)).toMatch(/was disposed/);
    await engine.dispose();
    expect(runner).toMatchObject({ disposed: true, rowsOpen: 0 });
    expect(runner.calls.filter((call) => call.startsWith('decode'))).toEqual([]);
  });

  it('measures from the submission, on the clock it was given', async () => {
    let now = 1000;
    const runner = new FakeRunner({
      sabotage: () => {
        now += 10; // every call to the runner takes ten milliseconds
      },
    });
    const { timings } = await submit(
      openEngine(runner, {}, () => now),
      [1, 2],
      { maxTokens: 4 },
    ).outcome;
    expect(timings).toEqual({
      queueMs: 0,
      timeToFirstTokenMs: 20,
      perTokenMs: 10,
      computeMs: 40,
      totalMs: 50,
    });
  });

  it('shares the time of each step among the requests that it worked for', async () => {
    let now = 1000;
    const runner = new FakeRunner({
      sabotage: () => {
        now += 10;
      },
    });
    const engine = openEngine(runner, {}, () => now);
    const outcomes = await Promise.all(
      [4, 4, 8].map((maxTokens, i) => submit(engine, [1, 2 + i], { maxTokens }).outcome),
    );
    const shares = outcomes.map(({ timings }) => timings.computeMs);
    const steps = runner.calls.filter((call) => /^(prefill|decode)/.test(call)).length;
    expect(shares[0]! + shares[1]! + shares[2]!).toBeCloseTo(steps * 10, 9);
    expect(Math.max(...shares)).toBe(shares[2]);
    expect(outcomes[2]!.timings.totalMs).toBeGreaterThan(shares[2]!);
  });
});
