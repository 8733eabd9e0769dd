// The engine under everything at once: random arrivals, lengths, priorities, aborts, time limits, namespaces and tiny KV
// limits, on a model simulator whose every token depends on all tokens before it. The engine checks its own invariants
// after each step and the simulator that no row is misused; here it is what callers see that counts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slideBy } from '#inhouse/engine/context-window.js';
import type { GenerationOutcome } from '#inhouse/engine/request.js';
import type { StreamChunk } from '#inhouse/engine/sequence.js';
import { InhouseError } from '#inhouse/errors.js';
import { FakeRunner, nextToken } from '../support/fake-runner.js';
import { openEngine, request } from './support.js';

const CONTEXT = 48;
/** Prompts that start alike, so that there is something to reuse. */
const STEM = Array.from({ length: 40 }, (_, i) => (i * 7) % 50);

const rarely = (value: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: value });

const call = fc.record({
  /** How many calls of the runner go before it. */
  arrival: fc.nat(60),
  stem: fc.nat(30),
  rest: fc.array(fc.nat(50), { minLength: 1, maxLength: 8 }),
  maxTokens: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 30, max: 48 })),
  n: fc.constantFrom(1, 1, 1, 2, 3),
  stopAt: rarely(fc.nat(20)),
  priority: fc.constantFrom(0, 0, 1, 5),
  namespace: fc.constantFrom('a', 'b'),
  slide: fc.boolean(),
  abortAt: rarely(fc.nat(150)),
  timeoutMs: rarely(fc.integer({ min: 1, max: 120 })),
  sameId: fc.constantFrom(false, false, false, true),
});

const settings = fc.record({
  maxBatchSize: fc.integer({ min: 1, max: 5 }),
  prefixCacheRows: fc.integer({ min: 0, max: 3 }),
  chunkSize: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
  extraTokensPerStep: fc.integer({ min: 1, max: 40 }),
  maxWaiting: fc.constantFrom(3, 6, 1000),
  kvLimitBytes: fc.constantFrom(40, 60, 80, 100, 10_000),
  pageTokens: fc.constantFrom(1, 4),
});

/** What the model says, whatever becomes of its rows on the way. */
function answer(prompt: readonly number[], count: number): number[] {
  let window = [...prompt];
  const output: number[] = [];
  while (output.length < count) {
    if (window.length > CONTEXT) window = window.slice(slideBy(CONTEXT));
    output.push(nextToken(window));
    window.push(output.at(-1)!);
  }
  return output;
}

describe('any schedule', () => {
  it('gives every request its own tokens and exactly one end, and leaves no row behind', async () => {
    const seen = { preemptions: 0, hits: 0, codes: new Set<string>(), reasons: new Set<string>() };
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 10 }), settings, async (calls, given) => {
        let runnerCalls = 0;
        const due = [...calls].sort((a, b) => a.arrival - b.arrival);
        const aborts: Array<{ at: number; controller: AbortController }> = [];
        const submitted: Array<Promise<void>> = [];
        const runner = new FakeRunner({
          maxRows: given.maxBatchSize + given.prefixCacheRows,
          contextLength: CONTEXT,
          sabotage: () => {
            runnerCalls++;
            for (const { at, controller } of aborts) if (runnerCalls >= at) controller.abort();
            while (due.length > 0 && due[0]!.arrival <= runnerCalls) submitted.push(place(due.shift()!));
          },
        });
        const { extraTokensPerStep, ...rest } = given;
        const maxTokensPerStep = given.maxBatchSize + extraTokensPerStep;
        const engine = openEngine(runner, { ...rest, maxTokensPerStep }, () => runnerCalls);

        async function place(c: (typeof calls)[number]): Promise<void> {
          const prompt = [...STEM.slice(0, c.stem), ...c.rest];
          const strictRoom = CONTEXT - prompt.length + 1;
          const maxTokens = c.slide ? c.maxTokens : Math.min(c.maxTokens, strictRoom);
          const tokens = answer(prompt, maxTokens);
          const stopTokenIds = c.stopAt !== null && c.stopAt < maxTokens ? [tokens[c.stopAt]!] : [];
          const whole =
            stopTokenIds.length > 0 ? tokens.slice(0, tokens.indexOf(stopTokenIds[0]!) + 1) : tokens;
          const controller = new AbortController();
          if (c.abortAt !== null) aborts.push({ at: c.abortAt, controller });
          const chunks: StreamChunk[] = [];
          const asked = request(
            prompt,
            {
              maxTokens,
              n: c.n,
              stopTokenIds,
              priority: c.priority,
              cacheNamespace: c.namespace,
              contextOverflow: c.slide ? 'slide' : 'strict',
              signal: controller.signal,
              ...(c.timeoutMs !== null && { timeoutMs: c.timeoutMs }),
              ...(c.sameId && { id: 'same' }),
            },
            (chunk) => chunks.push(chunk),
            CONTEXT,
          );
          const submittedAt = runnerCalls;
          const outcome: GenerationOutcome | InhouseError = await engine.submit(asked).then(
            (fulfilled) => fulfilled,
            (error: InhouseError) => error,
          );
          for (const { index } of asked.sequences) {
            const own = chunks.filter((chunk) => chunk.index === index).flatMap((chunk) => chunk.tokens);
            expect(own).toEqual(whole.slice(0, own.length));
          }
          if (outcome instanceof Error) {
            expect(outcome).toBeInstanceOf(InhouseError);
            seen.codes.add(outcome.code);
            expectJustified(outcome, c, submittedAt, asked.sequences[0]!.capacity);
            return;
          }
          for (const { index, tokens: got, finishReason } of outcome.sequences) {
            seen.reasons.add(finishReason);
            const own = chunks.filter((chunk) => chunk.index === index);
            expect(own.flatMap((chunk) => chunk.tokens)).toEqual(got);
            expect(own.map((chunk) => chunk.finishReason).filter(Boolean)).toEqual([finishReason]);
            expect(own.at(-1)!.finishReason).toBe(finishReason);
            if (finishReason === 'abort') expect(controller.signal.aborted).toBe(true);
            else expect(got).toEqual(whole);
          }
        }

        function expectJustified(
          error: InhouseError,
          c: (typeof calls)[number],
          submittedAt: number,
          capacity: number,
        ): void {
          switch (error.code) {
            case 'INHOUSE_TIMEOUT':
              expect(runnerCalls - submittedAt).toBeGreaterThanOrEqual(c.timeoutMs!);
              break;
            case 'INHOUSE_KV_LIMIT':
              expect(Math.ceil(capacity / given.pageTokens) * given.pageTokens).toBeGreaterThan(
                given.kvLimitBytes,
              );
              break;
            case 'INHOUSE_QUEUE_FULL':
              expect(error.details).toMatchObject({ maxQueueSize: given.maxWaiting });
              expect(Number(error.details.queueDepth) + c.n).toBeGreaterThan(given.maxWaiting);
              break;
            case 'INHOUSE_DUPLICATE_ID':
              expect(c.sameId).toBe(true);
              break;
            default:
              throw error;
          }
        }

        while (due.length > 0 || submitted.length > 0) {
          if (submitted.length > 0) await submitted.shift();
          else submitted.push(place(due.shift()!));
        }
        await expect
          .poll(() => engine.statistics(), { interval: 1 })
          .toMatchObject({ running: 0, waiting: 0 });
        const { prefixCache, preemptions } = engine.statistics();
        seen.preemptions += preemptions;
        seen.hits += prefixCache.hits;
        await expect.poll(() => runner.rowsOpen, { interval: 1 }).toBe(prefixCache.rows);
        expect(runner.tokensHeldPeak).toBeLessThanOrEqual(given.kvLimitBytes);
        await engine.dispose();
      }),
      { numRuns: 1000 },
    );
    // The schedules were not all harmless.
    expect(seen.preemptions).toBeGreaterThan(100);
    expect(seen.hits).toBeGreaterThan(100);
    expect([...seen.reasons].sort()).toEqual(['abort', 'length', 'stop']);
    expect([...seen.codes].sort()).toEqual([
      'INHOUSE_DUPLICATE_ID',
      'INHOUSE_KV_LIMIT',
      'INHOUSE_QUEUE_FULL',
      'INHOUSE_TIMEOUT',
    ]);
  });
});
