// Random schedules with rows on a device: prefix copies, preemption and batches of any size do not change what a request says.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import type { GenerateOptions } from '#inhouse/engine/options.js';
import type { Runner } from '#inhouse/runtime/runner.js';
import { openEngine, submit } from '../engine/support.js';
import { nativeMissing, openOnDevice } from '../support/runners.js';

/** Prompts that start alike, so that there is something to reuse. */
const STEM = Array.from({ length: 30 }, (_, i) => 300 + 7 * i);
const PAGE_TOKENS = 8;

const call = fc.record({
  stem: fc.integer({ min: 1, max: 30 }),
  rest: fc.array(fc.integer({ min: 256, max: 8000 }), { minLength: 1, maxLength: 4 }),
  afterMs: fc.nat(10),
  given: fc.record<GenerateOptions>({
    maxTokens: fc.constantFrom(1, 4, 8, 24),
    temperature: fc.constantFrom(0, 0.8),
    topK: fc.constantFrom(0, 5, 40), // full logits, and candidates
    seed: fc.nat(3),
    n: fc.constantFrom(1, 1, 2),
    priority: fc.nat(2),
  }),
});

const settings = fc.record({
  maxBatchSize: fc.integer({ min: 1, max: 4 }),
  prefixCacheRows: fc.integer({ min: 0, max: 3 }),
  chunkSize: fc.integer({ min: 1, max: 16 }),
  pages: fc.integer({ min: 8, max: 16 }),
});

/** Two that fit the memory while they are short, and not when they are long: one has to give up its row. */
const CROWDED: [
  CallOf[],
  { maxBatchSize: number; prefixCacheRows: number; chunkSize: number; pages: number },
] = [
  [0, 1].map((seed) => ({
    stem: 30,
    rest: [256 + seed],
    afterMs: 0,
    given: { maxTokens: 24, temperature: 0.8, topK: 40, seed, n: 1, priority: 0, minTokens: 24 },
  })),
  { maxBatchSize: 2, prefixCacheRows: 0, chunkSize: 16, pages: 12 },
];

describe.skipIf(nativeMissing)('an engine with its rows on a device', () => {
  const withRunner = async <Result>(use: (runner: Runner) => Promise<Result>): Promise<Result> => {
    const runner = await openOnDevice('fp32')(embeddedModelFolder(), { maxRows: 7 });
    return use(runner).finally(() => runner.dispose());
  };
  const tokensOf = async (engine: ReturnType<typeof openEngine>, { stem, rest, given }: CallOf) =>
    (await submit(engine, [...STEM.slice(0, stem), ...rest], given).outcome).sequences.map(
      ({ tokens }) => tokens,
    );

  it('gives every request the tokens that it gives alone', async () => {
    const seen = { hits: 0, preemptions: 0 };
    await withRunner(async (single) => {
      const alone = openEngine(single, { maxBatchSize: 2, kvBytesPerToken: 1 });
      await fc.assert(
        fc.asyncProperty(
          fc.array(call, { minLength: 2, maxLength: 6 }),
          settings,
          async (calls, { pages, ...given }) => {
            const expected: Array<ReadonlyArray<readonly number[]>> = [];
            for (const one of calls) expected.push(await tokensOf(alone, one));
            await withRunner(async (runner) => {
              const engine = openEngine(runner, {
                ...given,
                pageTokens: PAGE_TOKENS,
                kvLimitBytes: pages * PAGE_TOKENS,
              });
              const said = await Promise.all(
                calls.map(async (one) => {
                  await new Promise((resolve) => setTimeout(resolve, one.afterMs));
                  return tokensOf(engine, one);
                }),
              );
              expect(said).toEqual(expected);
              await expect
                .poll(() => engine.statistics(), { interval: 2 })
                .toMatchObject({ running: 0, waiting: 0 });
              const { rowsOpen } = await runner.statistics();
              const { prefixCache, preemptions } = engine.statistics();
              expect(rowsOpen).toBe(prefixCache.rows);
              seen.hits += prefixCache.hits;
              seen.preemptions += preemptions;
            });
          },
        ),
        { numRuns: 21, examples: [CROWDED] },
      );
    });
    expect(seen.hits).toBeGreaterThan(0);
    expect(seen.preemptions).toBeGreaterThan(0);
  }, 300_000);
});

type CallOf = typeof call extends fc.Arbitrary<infer Call> ? Call : never;
