// Random schedules on the embedded model: whatever the engine does with a request on its way, it gives the tokens that
// the same request gives alone. With weights of 8 and 4 bits what is multiplied is rounded on the way, so that the last bit
// of a number can become a step of its rounding. Our own kernels give the same bits in any schedule; without them a text may
// go another way where two tokens are as good as each other.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import { resolveOptions } from '#inhouse/engine/options.js';
import { prepareModel } from '#inhouse/graph/prepare.js';
import { type GenerateOptions, InhouseError, load, type Model } from '#inhouse/index.js';
import { nativeAddon } from '#inhouse/runtime/native.js';
import { openRunner } from '#inhouse/runtime/open.js';
import { isCloseCall } from '../support/reference-sampling.js';

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

/** Log-probabilities that another step of rounding may move so far decide between tokens that are as good. Seen: 0.1. */
const ROUNDING_NATS = 0.15;

let home: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'inhouse-schedules-'));
  process.env.INHOUSE_HOME = home;
});
afterAll(() => rm(home, { recursive: true, force: true }));

const native = nativeAddon();
const quantizedDiverged = native.loaded && native.addon.productKernel !== undefined ? 0 : 0.3;

it.each([
  { precision: 'fp32', mostDiverged: 0 },
  { precision: 'int8', mostDiverged: quantizedDiverged },
  { precision: 'int4', mostDiverged: quantizedDiverged },
] as const)(
  'gives every request the tokens that it gives alone: $precision',
  async ({ precision, mostDiverged }) => {
    await using judge = await openJudge(precision);
    await using alone = await load('embedded', {
      precision,
      threads: 1,
      prefixCacheRows: 0,
      maxBatchSize: 2,
    });
    const { kv } = await alone.statistics();
    const seen = { hits: 0, preemptions: 0, whole: 0, diverged: 0 };
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
                if (finishReason !== 'abort') seen.whole++;
                const at = got.findIndex((token, i) => token !== whole[i]);
                if (at >= 0 && mostDiverged > 0) {
                  const choice = { model: alone, call: one, index, output: whole.slice(0, at) };
                  expect(await judge.couldChoose(choice, got[at]!)).toBe(true);
                  seen.diverged++;
                } else if (finishReason === 'abort') expect(got).toEqual(whole.slice(0, got.length));
                else expect(got).toEqual(whole);
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
      { numRuns: 51, examples: [[[...CROWDED[0]], CROWDED[1]]] }, // the example is one of the runs
    );
    expect(seen.hits).toBeGreaterThan(3);
    expect(seen.preemptions).toBeGreaterThan(0);
    expect(seen.whole).toBeGreaterThan(50);
    expect(seen.diverged).toBeLessThanOrEqual(mostDiverged * seen.whole);
  },
  300_000,
);

interface Choice {
  readonly model: Model;
  readonly call: { readonly prompt: string; readonly given: GenerateOptions };
  readonly index: number;
  readonly output: readonly number[];
}

/** Looks at the logits of a runner of its own, to say whether a choice could well go on with a token. */
async function openJudge(precision: 'fp32' | 'int8' | 'int4') {
  const checkpoint = await openCheckpoint(embeddedModelFolder());
  const prepared = await prepareModel(checkpoint, home, { precision });
  const runner = await openRunner('auto', { config: checkpoint.config, ...prepared, maxRows: 1, threads: 1 });
  return {
    async couldChoose({ model, call, index, output }: Choice, token: number): Promise<boolean> {
      const history = { prompt: model.tokenize(call.prompt), output };
      const sequence = [...history.prompt, ...output, token];
      const { logits } = await runner.score(sequence, { from: sequence.length - 1, logits: true });
      const { sampling } = resolveOptions(call.given, model.info().eosTokenIds);
      return isCloseCall(token, logits!, { ...sampling, stream: index }, history, ROUNDING_NATS);
    },
    [Symbol.asyncDispose]: () => runner.dispose(),
  };
}
