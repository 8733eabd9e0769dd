// What a native runner does for a device, with host memory in its place: candidates instead of logits, and a KV cache of
// rectangular blocks.
import { afterEach, describe, expect, it } from 'vitest';
import { type NativeRunner, openNativeRunner } from '#inhouse/runtime/native.js';
import type { Runner, SamplingSettings, TokenChoice } from '#inhouse/runtime/runner.js';
import { Random } from '../support/random.js';
import { GREEDY, nativeMissing } from '../support/runners.js';
import { prepareRandom, MODEL as SUPPORT_MODEL, temporaryFolder } from './support.js';

const MODEL = { ...SUPPORT_MODEL, layers: 2, heads: 2 };
const STEPS = 20;

describe.skipIf(nativeMissing)('a runner on a device', () => {
  const folder = temporaryFolder();
  const opened: Runner[] = [];
  afterEach(async () => {
    for (const runner of opened.splice(0)) await runner.dispose();
  });
  const open = async (changes: { maxRows?: number; candidates?: number } = {}): Promise<NativeRunner> => {
    const options = await prepareRandom(folder, MODEL, { device: 'cuda', precision: 'fp16' });
    const runner = await openNativeRunner({ ...options, device: { kind: 'cpu-as-device' }, ...changes });
    opened.push(runner);
    return runner;
  };
  const openRow = (runner: Runner, row: number) =>
    runner.openRow(row, { capacity: MODEL.contextLength, sampling: GREEDY, prompt: [], output: [] });
  const tokens = (count: number) => new Random(count).tokens(count, MODEL.vocabularySize);

  describe('chooses among candidates', () => {
    const continuation = async (runner: Runner, prompt: readonly number[], sampling: SamplingSettings) => {
      await runner.openRow(0, { capacity: prompt.length + STEPS, sampling, prompt, output: [] });
      const first = await runner.prefill(0, prompt, { sample: true });
      const [rest] = await runner.decode(1, STEPS);
      await runner.closeRow(0);
      return [first, ...rest!];
    };

    it('what it chooses from all logits, however it samples', async () => {
      const [byCandidates, byLogits] = [await open(), await open({ candidates: 0 })];
      const random = new Random(3);
      for (let number = 0; number < 40; number++) {
        const prompt = random.tokens(random.integer(1, 40), MODEL.vocabularySize);
        const sampling: SamplingSettings = {
          ...GREEDY,
          temperature: random.pick([0, 0.3, 1, 3]),
          topK: random.pick([0, 1, 2, 40, 63, 64, 65, MODEL.vocabularySize]),
          topP: random.pick([1, 0.9, 0.3]),
          minP: random.pick([0, 0.05]),
          presencePenalty: random.pick([0, 0, 0, 0.5]),
          seed: random.integer(0, 2 ** 53 - 1),
          stopTokenIds: random.tokens(700, MODEL.vocabularySize),
          minTokens: random.pick([0, STEPS + 1]),
          logprobs: random.pick([undefined, 0, 5, 64]),
        };
        const expected = await continuation(byLogits, prompt, sampling);
        const actual = await continuation(byCandidates, prompt, sampling);
        const chosen = (choices: readonly TokenChoice[]) =>
          choices.map(({ token, topLogprobs }) => [token, topLogprobs?.map((other) => other.token)]);
        expect(chosen(actual), JSON.stringify(sampling)).toEqual(chosen(expected));
        for (const [i, { logprob, topLogprobs }] of actual.entries()) {
          expect(logprob === undefined).toBe(expected[i]!.logprob === undefined);
          if (logprob === undefined) continue;
          expect(logprob).toBeCloseTo(expected[i]!.logprob!, 4);
          for (const [j, other] of topLogprobs!.entries())
            expect(other.logprob).toBeCloseTo(expected[i]!.topLogprobs![j]!.logprob, 4);
        }
      }
    });
  });

  it('copies candidates, and logits only for a row that needs them', async () => {
    const runner = await open();
    const candidateBytes = 4 * (2 * 64 + 1);
    const logitsBytes = 4 * MODEL.vocabularySize;
    let before = 0;
    const fetched = async () => {
      const { fetchedBytes } = (await runner.statistics()).device!;
      const difference = fetchedBytes - before;
      before = fetchedBytes;
      return difference;
    };
    await openRow(runner, 0);
    await runner.prefill(0, tokens(10));
    expect(await fetched()).toBe(0);
    await runner.prefill(0, tokens(10), { sample: true });
    expect(await fetched()).toBe(candidateBytes);
    await runner.decode(1, 20);
    expect(await fetched()).toBe(20 * candidateBytes);
    await runner.openRow(1, {
      capacity: 50,
      sampling: { ...GREEDY, temperature: 1 },
      prompt: [],
      output: [],
    });
    await runner.prefill(1, tokens(5), { sample: true });
    await fetched();
    await runner.decode(2, 20);
    expect(await fetched()).toBe(20 * (2 * candidateBytes + logitsBytes));
  });

  describe('keeps its KV cache in blocks', () => {
    const bytesPerToken = 2 * MODEL.layers * MODEL.heads * MODEL.headSize * 2;
    const kv = async (runner: Runner) => (await runner.statistics()).kv;
    const rectangle = (rows: number, positions: number) => rows * positions * bytesPerToken;

    it('of the rows in use by the longest of them, in powers of two and steps of 128 positions', async () => {
      const runner = await open({ maxRows: 5 });
      expect((await kv(runner)).committedBytes).toBe(0);
      const held = [1, 128, 129, 10, 300];
      const expected = [
        rectangle(1, 128),
        rectangle(2, 128),
        rectangle(4, 256),
        rectangle(4, 256),
        rectangle(5, 384),
      ];
      for (const [row, count] of held.entries()) {
        await openRow(runner, row);
        await runner.prefill(row, tokens(count));
        expect((await kv(runner)).committedBytes).toBe(expected[row]);
      }
      expect((await kv(runner)).reservedBytes).toBe(rectangle(5, 384));
    });

    it('that shrink when less than half is needed, and go when nothing is held', async () => {
      const runner = await open({ maxRows: 4 });
      for (let row = 0; row < 4; row++) {
        await openRow(runner, row);
        await runner.prefill(row, tokens(row === 3 ? 300 : 100));
      }
      expect((await kv(runner)).committedBytes).toBe(rectangle(4, 384));
      await runner.truncateRow(3, 200);
      expect((await kv(runner)).committedBytes).toBe(rectangle(4, 384)); // 4 * 256 is more than half
      await runner.closeRow(3);
      expect((await kv(runner)).committedBytes).toBe(rectangle(4, 128));
      await runner.closeRow(2);
      expect((await kv(runner)).committedBytes).toBe(rectangle(4, 128)); // 2 rows are half
      await runner.closeRow(1);
      expect((await kv(runner)).committedBytes).toBe(rectangle(1, 128));
      await runner.closeRow(0);
      const { committedBytes, committedBytesPeak } = await kv(runner);
      expect(committedBytes).toBe(0);
      // A block is there twice while it grows.
      expect(committedBytesPeak).toBeGreaterThan(rectangle(4, 384));
      expect(committedBytesPeak).toBeLessThanOrEqual(rectangle(4, 384) * (1 + 1 / (2 * MODEL.layers)));
    });

    it('whose positions survive growing and shrinking', async () => {
      const runner = await open({ maxRows: 4 });
      const prompt = tokens(100);
      const sampling = { ...GREEDY, temperature: 1, seed: 5, logprobs: 0 };
      const alone = await continued(await open({ maxRows: 1 }), async () => undefined);
      const disturbed = await continued(runner, async () => {
        await openRow(runner, 3);
        await runner.prefill(3, tokens(400));
        await runner.closeRow(3);
      });
      expect(disturbed).toEqual(alone);

      async function continued(on: Runner, disturb: () => Promise<void>) {
        await on.openRow(0, { capacity: 200, sampling, prompt, output: [] });
        const choices = [await on.prefill(0, prompt, { sample: true })];
        for (let round = 0; round < 3; round++) {
          choices.push(...(await on.decode(1, 10))[0]!);
          await disturb();
        }
        return choices;
      }
    });

    it('that are not counted, nor kept, for score and embed', async () => {
      const runner = await open();
      await runner.score(tokens(200));
      await runner.embed(tokens(200), 'mean');
      expect(await kv(runner)).toMatchObject({ committedBytes: 0, committedBytesPeak: 0 });
    });
  });

  it('tells what ONNX Runtime’s allocator holds for it', async () => {
    const runner = await open();
    const before = (await runner.statistics()).device!;
    await openRow(runner, 0);
    await runner.prefill(0, tokens(10), { sample: true });
    const { device, kv } = await runner.statistics();
    expect(before.weightBytes).toBeGreaterThan(0);
    expect(device).toMatchObject({ name: 'host memory', weightBytes: before.weightBytes, cudaGraphs: 'off' });
    expect(device!.inUseBytes).toBeGreaterThanOrEqual(device!.weightBytes + kv.committedBytes);
    expect(device!.inUsePeakBytes).toBeGreaterThanOrEqual(device!.inUseBytes);
    expect(device!.heldBytes).toBeGreaterThanOrEqual(device!.inUseBytes);
  });

  it('on the CPU has no statistics of a device', async () => {
    const runner = await openNativeRunner(await prepareRandom(folder, MODEL));
    opened.push(runner);
    expect((await runner.statistics()).device).toBeUndefined();
  });
});
