// Random schedules on the embedded model: whatever the engine does with a request on its way, it gives the tokens that
// the same request gives alone.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type GenerateOptions, InhouseError, load } from '#inhouse/index.js';

const STORY =
  'It was a dark and stormy night, and the rain fell in torrents upon the roof of the old house by the sea';
const PROMPTS = [
  STORY,
  `${STORY}, where nobody`,
  'It was a dark and stormy night',
  'Once upon a time',
  'The',
];

const call = fc.record({
  prompt: fc.constantFrom(...PROMPTS),
  afterMs: fc.nat(20),
  abortAfterTokens: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(6) }),
  given: fc.record<GenerateOptions>({
    maxTokens: fc.constantFrom(1, 4, 8, 40),
    temperature: fc.constantFrom(0, 0.8),
    seed: fc.nat(3),
    n: fc.constantFrom(1, 1, 2),
    priority: fc.nat(2),
    cacheNamespace: fc.constantFrom('a', 'b'),
    repetitionPenalty: fc.constantFrom(1, 1.2),
    timeoutMs: fc.constantFrom(600_000, 600_000, 600_000, 15),
  }),
});

const engine = fc.record({
  maxBatchSize: fc.integer({ min: 1, max: 4 }),
  prefixCacheRows: fc.integer({ min: 0, max: 3 }),
  chunkSize: fc.integer({ min: 1, max: 16 }),
  pages: fc.integer({ min: 2, max: 4 }),
});

/** Two that fit the memory while they are short, and not when they are long: one has to give up its row. */
const CROWDED = [
  [0, 1].map((seed) => ({
    prompt: STORY,
    afterMs: 0,
    abortAfterTokens: 0,
    given: { maxTokens: 64, temperature: 0.8, seed, minTokens: 64 },
  })),
  { maxBatchSize: 2, prefixCacheRows: 0, chunkSize: 16, pages: 2 },
] as const;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'inhouse-schedules-'));
  process.env.INHOUSE_HOME = home;
});
afterAll(() => rm(home, { recursive: true, force: true }));

it.each([
  { precision: 'fp32', numRuns: 51 },
  { precision: 'int8', numRuns: 51 },
  { precision: 'int4', numRuns: 51 },
] as const)(
  'gives every request the tokens that it gives alone: $precision',
  async ({ precision, numRuns }) => {
    await using alone = await load('embedded', {
      precision,
      threads: 1,
      prefixCacheRows: 0,
      maxBatchSize: 2,
    });
    const { kv } = await alone.statistics();
    const seen = { hits: 0, preemptions: 0, whole: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 2, maxLength: 6 }),
        engine,
        async (calls, { pages, ...options }) => {
          const kvMemoryLimitBytes = pages * 64 * kv.bytesPerToken;
          await using model = await load('embedded', {
            ...options,
            precision,
            threads: 1,
            kvMemoryLimitBytes,
            checkInvariants: true,
          });
          const expected = new Map<(typeof calls)[number], readonly (readonly number[])[]>();
          for (const one of calls) {
            const { timeoutMs: _t, ...untimed } = one.given;
            const { choices } = await alone.generate(one.prompt, untimed);
            expected.set(
              one,
              choices.map(({ tokens }) => tokens),
            );
          }
          await Promise.all(
            calls.map(async (one) => {
              await new Promise((resolve) => setTimeout(resolve, one.afterMs));
              const controller = new AbortController();
              let tokens = 0;
              const onToken = () => {
                tokens++;
                if (tokens === one.abortAfterTokens) controller.abort();
              };
              const outcome = await model
                .generate(one.prompt, { ...one.given, signal: controller.signal, onToken })
                .catch((error: unknown) => error as InhouseError);
              if (outcome instanceof InhouseError) {
                expect(outcome.code).toBe('INHOUSE_TIMEOUT');
                expect(one.given.timeoutMs).toBe(15);
                return;
              }
              for (const { index, tokens: got, finishReason } of outcome.choices) {
                const whole = expected.get(one)![index]!;
                if (finishReason === 'abort') expect(got).toEqual(whole.slice(0, got.length));
                else expect(got).toEqual(whole);
                if (finishReason !== 'abort') seen.whole++;
              }
            }),
          );
          await expect
            .poll(() => model.statistics(), { interval: 2 })
            .toMatchObject({ running: 0, waiting: 0 });
          const statistics = await model.statistics();
          expect(statistics.rowsOpen).toBe(statistics.prefixCache.rows);
          expect(statistics.kv.usedBytes).toBeLessThanOrEqual(kvMemoryLimitBytes);
          if (model.info().kind === 'native')
            expect(statistics.kv.committedBytes).toBeLessThanOrEqual(kvMemoryLimitBytes);
          seen.hits += statistics.prefixCache.hits;
          seen.preemptions += statistics.preemptions;
        },
      ),
      { numRuns, examples: [[[...CROWDED[0]], CROWDED[1]]] }, // the example is one of the runs
    );
    expect(seen.hits).toBeGreaterThan(3);
    expect(seen.preemptions).toBeGreaterThan(0);
    expect(seen.whole).toBeGreaterThan(50);
  },
  300_000,
);
