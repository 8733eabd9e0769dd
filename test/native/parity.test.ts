// The native runner and the portable one choose the same tokens.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type NativeRunner, openNativeRunner } from '#inhouse/runtime/native.js';
import { openPortableRunner } from '#inhouse/runtime/portable.js';
import type { Runner, SamplingSettings, TokenChoice } from '#inhouse/runtime/runner.js';
import { Random } from '../support/random.js';
import { GREEDY, nativeMissing } from '../support/runners.js';
import { MODEL, prepareRandom, temporaryFolder } from './support.js';

const PROMPTS = 50;
const STEPS = 40;
/** The runners run the same kernels; only their buffers' sizes differ. */
const TOLERANCE = 1e-4;

describe.skipIf(nativeMissing)('native and portable', () => {
  const folder = temporaryFolder();
  let native: NativeRunner;
  let portable: Runner;
  beforeAll(async () => {
    const options = await prepareRandom(folder, { ...MODEL, vocabularySize: 5_000 }, { threads: 2 });
    [native, portable] = await Promise.all([openNativeRunner(options), openPortableRunner(options)]);
  });
  afterAll(() => Promise.all([native?.dispose(), portable?.dispose()]));

  const continuation = async (runner: Runner, prompt: readonly number[], sampling: SamplingSettings) => {
    await runner.openRow(0, { capacity: prompt.length + STEPS, sampling, prompt, output: [] });
    const first = await runner.prefill(0, prompt, { sample: true });
    const [rest] = await runner.decode(1, STEPS);
    await runner.closeRow(0);
    return [first, ...rest!];
  };

  it(`continue ${PROMPTS} random prompts with the same tokens, however they sample`, async () => {
    const random = new Random(1);
    for (let number = 0; number < PROMPTS; number++) {
      const prompt = random.tokens(random.integer(1, 300), 5_000);
      const sampling: SamplingSettings = {
        ...GREEDY,
        temperature: number % 2 === 0 ? 0 : 0.5 + random.next(),
        topK: random.pick([0, 1, 40, 4_999]),
        topP: random.pick([1, 0.95, 0.5]),
        minP: random.pick([0, 0.02]),
        repetitionPenalty: random.pick([1, 1.2]),
        presencePenalty: random.pick([0, 0.3]),
        frequencyPenalty: random.pick([0, 0.1]),
        logitBias: { ids: [17, 3], values: [1, -2] },
        seed: random.integer(0, 2 ** 53 - 1),
        stream: number,
        logprobs: 3,
      };
      const expected = await continuation(portable, prompt, sampling);
      const actual = await continuation(native, prompt, sampling);
      const tokens = (choices: readonly TokenChoice[]) => choices.map(({ token }) => token);
      expect(tokens(actual), `prompt ${number}`).toEqual(tokens(expected));
      for (const [i, choice] of actual.entries()) {
        expect(Math.abs(choice.logprob! - expected[i]!.logprob!)).toBeLessThanOrEqual(TOLERANCE);
        expect(choice.topLogprobs!.map(({ token }) => token)).toEqual(
          expected[i]!.topLogprobs!.map(({ token }) => token),
        );
      }
    }
  });

  it('choose the same tokens at temperatures next to 0', async () => {
    const prompt = new Random(3).tokens(20, 5_000);
    const greedy = await continuation(portable, prompt, GREEDY);
    for (const temperature of [5e-324, 1e-310]) {
      for (const cut of [{}, { topK: 5 }, { topP: 0.9 }, { minP: 0.1 }, { topK: 40, topP: 0.9, minP: 0.1 }]) {
        const sampling = { ...GREEDY, ...cut, temperature };
        expect(await continuation(native, prompt, sampling), JSON.stringify(sampling)).toEqual(greedy);
        expect(await continuation(portable, prompt, sampling), JSON.stringify(sampling)).toEqual(greedy);
      }
    }
  });

  it('a native draw that NaN leaves no token for fails, and the process lives on', async () => {
    const logitBias = { ids: [5], values: [Number.NaN] };
    const sampling = { ...GREEDY, temperature: 1, topP: 0.9, logitBias };
    await native.openRow(0, { capacity: 2, sampling, prompt: [1], output: [] });
    await expect(native.prefill(0, [1], { sample: true })).rejects.toMatchObject({
      code: 'INHOUSE_RUNTIME_STEP',
    });
    await native.closeRow(0);
  });

  it('score and embed alike', async () => {
    const tokens = new Random(2).tokens(400, 5_000);
    const [expected, actual] = await Promise.all([portable.score(tokens), native.score(tokens)]);
    expect(actual.argmax).toEqual(expected.argmax);
    const distance = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
    expect(distance(actual.logprobs, expected.logprobs)).toBeLessThanOrEqual(TOLERANCE);
    const [one, other] = await Promise.all([portable.embed(tokens, 'mean'), native.embed(tokens, 'mean')]);
    expect(distance(one, other)).toBeLessThanOrEqual(TOLERANCE);
  });
});
