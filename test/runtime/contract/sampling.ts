// Contract: which token a row draws, for every sampling setting, against the float64 reference sampler.
import { describe, expect, it } from 'vitest';
import type { SamplingSettings } from '#inhouse/runtime/runner.js';
import { candidates } from '../../support/reference-sampling.js';
import { GREEDY, type OpenRunner } from '../../support/runners.js';
import { sharedModel, tokensOf } from './harness.js';

type Settings = Partial<SamplingSettings>;

const everything: Settings = {
  temperature: 1.2,
  topK: 40,
  topP: 0.9,
  minP: 0.02,
  repetitionPenalty: 1.3,
  presencePenalty: 0.4,
  frequencyPenalty: 0.3,
  logitBias: { ids: [5, 17, 90], values: [2.5, -4, 1] },
  stopTokenIds: [3, 40, 200],
  minTokens: 30,
  seed: 2 ** 53 - 1,
  stream: 7,
  logprobs: 3,
};

const SETTINGS: readonly (readonly [string, Settings])[] = [
  ['greedy', {}],
  ['a high temperature', { temperature: 2 }],
  ['a low temperature', { temperature: 0.3 }],
  ['a tiny temperature', { temperature: 1e-6 }],
  ['a temperature whose inverse is infinite', { temperature: 1e-310 }],
  ['the smallest temperature and top-k', { temperature: 5e-324, topK: 5 }],
  ['the smallest temperature and top-p', { temperature: 5e-324, topP: 0.9 }],
  ['the smallest temperature and min-p', { temperature: 5e-324, minP: 0.1 }],
  ['the smallest temperature and everything else', { ...everything, temperature: 5e-324 }],
  ['top-k', { temperature: 1, topK: 5 }],
  ['top-k beyond the vocabulary', { temperature: 1, topK: 1000 }],
  ['top-p', { temperature: 1, topP: 0.7 }],
  ['a tiny top-p', { temperature: 1, topP: 1e-6 }],
  ['min-p', { temperature: 1, minP: 0.1 }],
  ['min-p 1', { temperature: 1, minP: 1 }],
  ['top-p after top-k', { temperature: 1.5, topK: 8, topP: 0.6 }],
  ['min-p after top-p', { temperature: 1.5, topP: 0.8, minP: 0.15 }],
  ['a repetition penalty, greedy', { repetitionPenalty: 1.5 }],
  ['a repetition penalty', { temperature: 1, repetitionPenalty: 1.3 }],
  ['a repetition reward', { temperature: 1, repetitionPenalty: 0.7 }],
  ['a presence penalty', { presencePenalty: 1.5 }],
  ['a frequency penalty', { temperature: 0.8, frequencyPenalty: 0.9 }],
  ['a frequency reward', { temperature: 1, frequencyPenalty: -0.5 }],
  ['logit bias', { temperature: 1, logitBias: { ids: [7, 8, 9, 210], values: [3, -2, 0.5, 4] } }],
  ['a seed above 32 bits and a stream', { temperature: 1, seed: 2 ** 40 + 123, stream: 3 }],
  ['everything at once', everything],
];

export function describeSampling(open: OpenRunner): void {
  const model = sharedModel(open);

  it.each(SETTINGS)('with %s, draws the tokens that the reference draws', async (_name, sampling) => {
    const plan = { prompt: model().tokens(12, 21), sampling: { logprobs: 2, ...sampling } };
    const choices = await model().alone(plan, 30);
    expect(model().expectToFollow(plan, choices)).toBeLessThanOrEqual(2);
  });

  it('rows with different settings in one batch each follow their own', async () => {
    const plans = SETTINGS.slice(-6).map(([, sampling], i) => ({
      prompt: model().tokens(9 + i, i),
      sampling,
    }));
    const firsts = await Promise.all(plans.map((plan, row) => model().begin(row, plan)));
    const rest = await model().runner.decode(plans.length, 15);
    plans.forEach((plan, row) => {
      model().expectToFollow(plan, [firsts[row]!, ...rest[row]!]);
    });
  });

  it('equal logits go to the smaller id, greedy', async () => {
    // 1e30 swallows the model's own logits, in float32 and in float64.
    const logitBias = { ids: [90, 17, 45], values: [1e30, 1e30, 1e30] };
    const { token } = await model().begin(0, { prompt: [1, 2], sampling: { logitBias } });
    expect(token).toBe(17);
  });

  it.each([
    ['top-k', { topK: 2 }, [17, 45]],
    ['top-p, which keeps no more than reach it', { topP: 0.5 }, [17, 45]],
    ['min-p, which cuts none of them', { minP: 1 }, [17, 45, 90, 130]],
  ])('equal logits are cut from the larger id by %s', async (_name, cut, kept) => {
    const logitBias = { ids: [90, 17, 130, 45], values: [1e30, 1e30, 1e30, 1e30] };
    const sampling = { temperature: 1, seed: 1, logitBias, ...cut };
    const drawn = tokensOf(await model().alone({ prompt: [1, 2], sampling }, 40));
    expect([...new Set(drawn)].sort((a, b) => a - b)).toEqual(kept);
  });

  it('the same seed gives the same tokens, another seed or stream gives others', async () => {
    const run = async (sampling: Settings) =>
      tokensOf(await model().alone({ prompt: [4, 5, 6], sampling: { temperature: 1.5, ...sampling } }, 20));
    const tokens = await run({ seed: 8 });
    expect(await run({ seed: 8 })).toEqual(tokens);
    expect(await run({ seed: 9 })).not.toEqual(tokens);
    expect(await run({ seed: 8 + 2 ** 32 })).not.toEqual(tokens);
    expect(await run({ seed: 8, stream: 1 })).not.toEqual(tokens);
  });

  it.runIf(open.exactness.sameTokens)('a seed gives the same tokens alone and in a batch', async () => {
    const plan = (seed: number) => ({ prompt: [4, 5, 6], sampling: { temperature: 1.5, seed } });
    const alone = [];
    for (const seed of [1, 2, 3]) alone.push(tokensOf(await model().alone(plan(seed), 15)));
    const firsts = await Promise.all([1, 2, 3].map((seed, row) => model().begin(row, plan(seed))));
    const rest = await model().runner.decode(3, 14);
    expect(firsts.map(({ token }, row) => [token, ...tokensOf(rest[row]!)])).toEqual(alone);
  });

  it('a row opened with its output so far goes on as if it had never been closed', async () => {
    const sampling = {
      temperature: 1.2,
      seed: 5,
      repetitionPenalty: 1.2,
      frequencyPenalty: 0.6,
      logprobs: 1,
    };
    const plan = { prompt: model().tokens(10, 30), sampling };
    const whole = await model().alone(plan, 20);
    const output = tokensOf(whole.slice(0, 8));
    const rest = await model().alone({ ...plan, output }, 12);
    if (model().exactness.sameTokens) expect(tokensOf(rest)).toEqual(tokensOf(whole.slice(8)));
    model().expectToFollow({ ...plan, output }, rest);
  });

  it.each([
    ['presencePenalty', 'output', 100],
    ['frequencyPenalty', 'output', 100],
    ['repetitionPenalty', 'output', 1000],
    ['repetitionPenalty', 'prompt', 1000],
  ] as const)(
    '%s counts the %s the row was opened with, not what its KV holds',
    async (penalty, where, strength) => {
      const kv = model().tokens(10, 31);
      const draw = async (
        row: number,
        sampling: Settings,
        history: { prompt: number[]; output: number[] },
      ) => {
        await model().openRow(row, { ...history, sampling: { logprobs: 2, ...sampling } });
        return model().runner.prefill(row, kv, { sample: true });
      };
      const plain = await draw(0, { [penalty]: strength }, { prompt: [], output: [] });
      const [best, second] = plain.topLogprobs!;
      expect(plain.token).toBe(best!.token);
      const history = { prompt: [], output: [], [where]: [best!.token] };
      const penalized = await draw(1, { [penalty]: strength }, history);
      expect(penalized.token).toBe(second!.token);
      expect(penalized.logprob).toBeCloseTo(second!.logprob, 6);
    },
  );

  it('presence and frequency penalties spare the prompt', async () => {
    const plan = { prompt: model().tokens(30, 32) };
    const penalties = { presencePenalty: 100, frequencyPenalty: 100 };
    const [plain] = await model().alone(plan, 1);
    const [penalized] = await model().alone({ prompt: [...plan.prompt], sampling: penalties }, 1);
    const history = { ...plan, prompt: [...plan.prompt, plain!.token] };
    expect(penalized!.token).toBe(plain!.token);
    await model().openRow(0, { ...history, sampling: penalties });
    const again = await model().runner.prefill(0, plan.prompt, { sample: true });
    expect(again.token).toBe(plain!.token);
  });

  it('top-k 1 is greedy at any temperature', async () => {
    const prompt = model().tokens(15, 33);
    const greedy = await model().alone({ prompt }, 20);
    const top1 = await model().alone({ prompt, sampling: { temperature: 3, topK: 1, seed: 4 } }, 20);
    expect(tokensOf(top1)).toEqual(tokensOf(greedy));
  });

  it.each([0, 1])(
    'at temperature %i, a bias of 100 forces a token and -100 forbids it',
    async (temperature) => {
      const plan = (ids: number[], value: number) => ({
        prompt: model().tokens(5, 34),
        sampling: { temperature, logitBias: { ids, values: ids.map(() => value) } },
      });
      expect(new Set(tokensOf(await model().alone(plan([123], 100), 10)))).toEqual(new Set([123]));
      const others = Array.from({ length: 211 }, (_, id) => id).filter((id) => id !== 77);
      expect(new Set(tokensOf(await model().alone(plan(others, -100), 10)))).toEqual(new Set([77]));
    },
  );

  it.each([0, 1])(
    'at temperature %i, no stop token comes before minTokens, however likely',
    async (temperature) => {
      const logitBias = { ids: [60, 61], values: [100, 99] };
      const sampling = { temperature, seed: 6, logitBias, stopTokenIds: [60, 61], minTokens: 5 };
      const first = await model().begin(0, { prompt: [7], sampling });
      const [rest] = await model().runner.decode(1, 20);
      const tokens = [first.token, ...tokensOf(rest!)];
      expect(tokens).toHaveLength(6);
      expect([60, 61]).toContain(tokens[5]);
      for (const token of tokens.slice(0, 5)) expect([60, 61]).not.toContain(token);
    },
  );

  it('minTokens counts the output the row was opened with', async () => {
    const sampling = { logitBias: { ids: [60], values: [100] }, stopTokenIds: [60], minTokens: 3 };
    const [stop] = await model().alone({ prompt: [7], output: [8, 9, 10], sampling }, 1);
    const [other] = await model().alone({ prompt: [7], output: [8, 9], sampling }, 1);
    expect(stop!.token).toBe(60);
    expect(other!.token).not.toBe(60);
  });

  it('reports log-probabilities only when asked, and as many alternatives as asked', async () => {
    const first = async (logprobs: number | undefined) =>
      (await model().alone({ prompt: [1, 2, 3], sampling: { logprobs } }, 1))[0]!;
    expect(Object.keys(await first(undefined))).toEqual(['token']);
    expect(await first(0)).toEqual({
      token: expect.any(Number),
      logprob: expect.any(Number),
      topLogprobs: [],
    });
    const { token, logprob, topLogprobs } = await first(5);
    expect(topLogprobs).toHaveLength(5);
    expect(topLogprobs![0]).toEqual({ token, logprob }); // greedy
    expect(topLogprobs!.map((alternative) => alternative.logprob)).toEqual(
      topLogprobs!.map((alternative) => alternative.logprob).sort((a, b) => b - a),
    );
  });

  describe('over many seeds', () => {
    const DRAWS = 600;

    it.each<readonly [string, Settings]>([
      ['temperature 1.5', { temperature: 1.5 }],
      ['top-k', { temperature: 1.5, topK: 6 }],
      ['top-p', { temperature: 1.5, topP: 0.6 }],
      ['min-p', { temperature: 1.5, minP: 0.1 }],
      ['all three', { temperature: 2, topK: 30, topP: 0.8, minP: 0.1 }],
    ])(
      '%s never draws a token it rules out, and the others as often as they are probable',
      async (_name, cut) => {
        const prompt = [3];
        const { runner } = model();
        const drawn = await Promise.all(
          Array.from({ length: DRAWS }, async (_, seed) => {
            const [, { token }] = await Promise.all([
              model().openRow(0, { prompt, capacity: 1, sampling: { ...cut, seed } }),
              runner.prefill(0, prompt, { sample: true }),
              runner.closeRow(0),
            ]);
            return token;
          }),
        );
        const logits = model().reference.logits(prompt)[0]!;
        const allowed = candidates(logits, { ...GREEDY, ...cut }, { prompt, output: [] });
        const ids = allowed.map(({ token }) => token);
        expect(drawn.filter((token) => !ids.includes(token))).toEqual([]);
        const observed = ids.map((id) => drawn.filter((token) => token === id).length);
        const expected = allowed.map(({ probability }) => probability * DRAWS);
        expect(chiSquareDeviations(observed, expected)).toBeLessThan(3.5);
      },
    );
  });
}

/**
 * How many standard deviations Pearson's chi-square lies above its expectation (Wilson and Hilferty's normal
 * approximation). Cells that expect fewer than five are taken together.
 */
function chiSquareDeviations(observed: readonly number[], expected: readonly number[]): number {
  const cells: Array<{ observed: number; expected: number }> = [];
  const rare = { observed: 0, expected: 0 };
  expected.forEach((count, i) => {
    if (count >= 5) cells.push({ observed: observed[i]!, expected: count });
    else {
      rare.observed += observed[i]!;
      rare.expected += count;
    }
  });
  if (rare.expected > 0) cells.push(rare);
  const chiSquare = cells.reduce(
    (sum, cell) => sum + (cell.observed - cell.expected) ** 2 / cell.expected,
    0,
  );
  const spread = 2 / (9 * (cells.length - 1));
  return (Math.cbrt(chiSquare / (cells.length - 1)) - (1 - spread)) / Math.sqrt(spread);
}
