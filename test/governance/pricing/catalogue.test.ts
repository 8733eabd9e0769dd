import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';
import { fineTuningCost } from '#inhouse/governance/pricing/cost.js';
import { perThousand } from '#inhouse/governance/pricing/price.js';

const catalogue = new PricingCatalogue();

/** Cost by tokens of a call that is over. */
function cost(model: string, promptTokens: number, completionTokens: number, provider?: string): number {
  return catalogue.actual({ model, provider, usage: { promptTokens, completionTokens } }).totalUsd;
}

describe('pricing catalogue', () => {
  it('C-83: every entry is complete, and every alias leads to it in any case', () => {
    const prices = catalogue.prices();
    expect(prices).toHaveLength(6 + 12 + 11);
    for (const price of prices) {
      expect(price).toMatchObject({ currency: 'USD', source: expect.any(String), asOf: expect.any(String) });
      expect(price.inputCostPerMillion).toBeGreaterThan(0);
      expect(price.outputCostPerMillion).toBeGreaterThanOrEqual(0);
      expect(perThousand(price)).toEqual({
        input: price.inputCostPerMillion / 1000,
        output: price.outputCostPerMillion / 1000,
      });
      for (const name of [price.model, ...(price.aliases ?? [])]) {
        expect(catalogue.lookup(name, price.provider)).toBe(price);
      }
      for (const alias of price.aliases ?? []) {
        expect(catalogue.lookup(alias.toUpperCase(), price.provider)).toBe(price);
      }
    }
    const names = prices.map(({ provider, model }) => `${provider} ${model}`);
    expect(new Set(names).size).toBe(names.length);
  });

  it('C-83: the GPT-2 family is priced by its size, as its published architecture counts it', () => {
    const family = catalogue.prices('gpt2').map(({ model, parameterCount, contextLength, tier }) => {
      return [model, parameterCount, contextLength, tier];
    });
    const parameters = (width: number, layers: number) =>
      // Embeddings of 50 257 tokens and 1 024 positions; per layer 12 w² weights and 13 w biases and norms; a last norm.
      (50_257 + 1024) * width + layers * (12 * width * width + 13 * width) + 2 * width;
    expect(family).toEqual([
      ['distilgpt2', parameters(768, 6), 1024, 'lite'],
      ['gpt2', parameters(768, 12), 1024, 'lite'],
      ['gpt2-medium', parameters(1024, 24), 1024, 'standard'],
      ['gpt2-large', parameters(1280, 36), 1024, 'large'],
      ['gpt2-xl', parameters(1600, 48), 1024, 'premium'],
      ['embedded', 7_098_368, 1024, 'lite'],
    ]);
    expect(catalogue.lookup('openai-community/gpt2')?.model).toBe('gpt2');
    expect(cost('gpt2', 1e6, 0)).toBe(0.01);
    expect(cost('gpt2', 0, 1e6)).toBe(0.02);
    expect(cost('gpt2-xl', 1e6, 1e6)).toBeCloseTo(0.15, 12);
  });

  it('C-84: a model without a price has no record, costs something, and says what was assumed', () => {
    expect(catalogue.lookup('nobody/knows')).toBeUndefined();
    const unknown = catalogue.actual({
      model: 'nobody/knows',
      usage: { promptTokens: 1, completionTokens: 1 },
    });
    expect(unknown.totalUsd).toBeGreaterThan(0);
    expect(unknown.assumption).toBe('a model of medium size');
    expect(catalogue.estimate({ model: 'gpt2', promptTokens: 1 }).assumption).toBeUndefined();
  });

  it('C-84: size words price unknown models as Anyscale does', () => {
    const priceOf = (model: string) => {
      const price = catalogue.priceOf(model, 'anyscale');
      expect(price.assumption).toBeDefined();
      return [price.inputCostPerMillion, price.outputCostPerMillion];
    };
    for (const model of ['new-70b', 'New-Large', 'x-xl']) expect(priceOf(model)).toEqual([1, 1]);
    for (const model of ['new-13b', 'new-34B', 'medium']) expect(priceOf(model)).toEqual([0.5, 0.5]);
    for (const model of ['new-7b', 'new-8b', 'small']) expect(priceOf(model)).toEqual([0.15, 0.15]);
    expect(priceOf('new-embedder')).toEqual([0.05, 0]);
    expect(priceOf('other')).toEqual([0.5, 0.5]);
  });

  it('D-41: a GPT-2 is never priced like a 70B model, and "embed" counts before size words', () => {
    for (const model of ['gpt2-large', 'gpt2-xl', 'me/gpt2-large-tuned', 'GPT-2-xl-poems']) {
      expect(catalogue.priceOf(model).inputCostPerMillion, model).toBeLessThanOrEqual(0.05);
      expect(catalogue.priceOf(model, 'gpt2').inputCostPerMillion, model).toBeLessThanOrEqual(0.05);
    }
    expect(catalogue.lookup('gpt2-large')?.assumption).toBeUndefined();
    expect(catalogue.priceOf('embed-large', 'anyscale')).toMatchObject({ inputCostPerMillion: 0.05 });
  });

  it('C-85: known answers are exact to 1e-10, linear, and zero for no tokens', () => {
    const dear = 'meta-llama/Llama-2-70b-chat-hf';
    const answers: [number, number, number][] = [
      [100, 50, 0.00015],
      [10_000, 5_000, 0.015],
      [1, 1, 0.000002],
      [12_345, 67_890, 0.080235],
      [0, 0, 0],
    ];
    for (const [input, output, usd] of answers) {
      expect(Math.abs(cost(dear, input, output, 'anyscale') - usd)).toBeLessThan(1e-10);
    }
    expect(Math.abs(cost('gte-large', 1000, 0) - 0.00005)).toBeLessThan(1e-10);
    for (const { model, provider } of catalogue.prices()) {
      const one = cost(model, 1, 1, provider);
      for (const factor of [10, 100]) {
        expect(Math.abs(cost(model, factor, factor, provider) - factor * one)).toBeLessThan(1e-10);
      }
    }
  });

  it('C-86 D-25: ten thousand calls of one token sum to the closed form', () => {
    let sum = 0;
    for (let call = 0; call < 10_000; call++) sum += cost('gpt2', 1, 0);
    expect(sum).toBeGreaterThan(0);
    expect(Math.abs(sum - 10_000 * 1e-8)).toBeLessThan(1e-15);
  });

  it('feature extraction costs half of other input, and no output', () => {
    const embedding = { model: 'gpt2', operation: 'embedding' } as const;
    const estimate = catalogue.estimate({ ...embedding, promptTokens: 1000 });
    expect(estimate).toMatchObject({ outputTokens: 0, isUpperBound: true });
    expect(estimate.totalUsd).toBe(cost('gpt2', 1000, 0) / 2);
    const usage = { promptTokens: 1000, completionTokens: 0 };
    expect(catalogue.actual({ ...embedding, usage }).totalUsd).toBe(estimate.totalUsd);
    const remote = { model: 'thenlper/gte-large', operation: 'embedding', usage } as const;
    expect(catalogue.actual(remote).totalUsd).toBeCloseTo(0.00005, 12);
  });

  it('C-89 D-26: an estimate counts the prompt and is never below the actual cost', () => {
    const models = catalogue.prices().filter(({ contextLength }) => contextLength !== undefined);
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        fc.nat(200_000),
        fc.option(fc.nat(200_000), { nil: undefined }),
        fc.integer({ min: 1, max: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        ({ model, provider, contextLength }, prompt, maxTokens, choices, stoppedAt) => {
          const promptTokens = Math.min(prompt, contextLength as number);
          const estimate = catalogue.estimate({ model, provider, promptTokens, maxTokens, choices });
          const most = Math.min(
            maxTokens ?? Number.POSITIVE_INFINITY,
            (contextLength as number) - promptTokens + 1,
          );
          const completionTokens = choices * Math.floor(most * stoppedAt);
          const actual = catalogue.actual({ model, provider, usage: { promptTokens, completionTokens } });
          expect(estimate.isUpperBound).toBe(true);
          expect(estimate.totalUsd).toBeGreaterThanOrEqual(actual.totalUsd);
          expect(estimate.inputUsd).toBe(actual.inputUsd);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('C-89: the context and the limit bound the output, whichever is less', () => {
    const output = (promptTokens: number, maxTokens?: number, contextLength?: number) =>
      catalogue.estimate({ model: 'gpt2', promptTokens, maxTokens, contextLength }).outputTokens;
    expect(output(24)).toBe(1001); // the last token needs no position
    expect(output(24, 10)).toBe(10);
    expect(output(1020, 10)).toBe(5);
    expect(output(1024, 10)).toBe(1);
    expect(output(2000, 10, 1024)).toBe(0);
    expect(output(10, undefined, 64)).toBe(55);
    const unbounded = catalogue.estimate({ model: 'unheard-of', promptTokens: 10 });
    expect(unbounded).toMatchObject({ outputTokens: 500, isUpperBound: false });
    expect(catalogue.estimate({ model: 'unheard-of', promptTokens: 10, maxTokens: 7 })).toMatchObject({
      outputTokens: 7,
      isUpperBound: true,
    });
  });

  it('a provider may run a model with a longer context than the list knows', () => {
    const estimate = (promptTokens: number, maxTokens?: number, contextLength?: number) =>
      catalogue.estimate({ model: 'gpt2', promptTokens, maxTokens, contextLength });
    expect(estimate(1000, 200, 2048)).toMatchObject({ outputTokens: 200, isUpperBound: true });
    expect(estimate(1500, 100)).toMatchObject({ outputTokens: 100, isUpperBound: true });
    expect(estimate(1500)).toMatchObject({ outputTokens: 500, isUpperBound: false });
  });

  it("C-90 D-26 D-39: Together's ratio form splits 30/70 by default and prices a single token", () => {
    const r1 = 'deepseek-ai/DeepSeek-R1';
    const byRatio = (input: { estimatedTokens?: number; tokens?: number; inputOutputRatio?: number }) =>
      catalogue.estimateByRatio({ model: r1, ...input });
    expect(byRatio({ estimatedTokens: 1000 })).toBeCloseTo((300 * 0.55 + 700 * 2.19) / 1e6, 15);
    expect(byRatio({ tokens: 1000 })).toBe(byRatio({ estimatedTokens: 1000 }));
    expect(byRatio({ tokens: 1000, inputOutputRatio: 0.5 })).toBeCloseTo((500 * 0.55 + 500 * 2.19) / 1e6, 15);
    expect(byRatio({ tokens: 1 })).toBeCloseTo(byRatio({ tokens: 1000 }) / 1000, 15);
    expect(byRatio({ tokens: 1 })).toBeGreaterThan(0);
    expect(() => byRatio({ tokens: 1, inputOutputRatio: 1.5 })).toThrow(InvalidInputError);
  });

  it('C-95: fine-tuning costs (training * epochs + validation) tokens, at four times the input price if unpriced', () => {
    const llama = catalogue.priceOf('meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo', 'together');
    const tokens = { training: 1_000_000, epochs: 3, validation: 500_000 };
    expect(fineTuningCost(llama, tokens)).toBeCloseTo(3.5 * 0.8, 12);
    expect(fineTuningCost(catalogue.priceOf('gpt2'), { training: 2_000_000 })).toBeCloseTo(2 * 4 * 0.01, 12);
    expect(() => fineTuningCost(llama, { training: -1 })).toThrow(InvalidInputError);
  });

  it('C-96: a batch estimate is the sum of its estimates', () => {
    const models = ['gpt2', 'gpt2-xl', 'llama-2-70b', 'gte-large'];
    const inputs = Array.from({ length: 1000 }, (_, index) => {
      return { model: models[index % 4]!, promptTokens: index, maxTokens: index % 7 };
    });
    const { totalUsd, estimates } = catalogue.estimateBatch(inputs);
    expect(estimates).toHaveLength(1000);
    const one = inputs.reduce((sum, input) => sum + catalogue.estimate(input).totalUsd, 0);
    expect(totalUsd).toBe(one);
    expect(totalUsd).toBeGreaterThan(0);
  });

  it('one model may cost differently at different providers; others are priced from the first list that has it', () => {
    const mixtral = 'mistralai/Mixtral-8x7B-Instruct-v0.1';
    expect(catalogue.lookup(mixtral, 'anyscale')?.inputCostPerMillion).toBe(0.5);
    expect(catalogue.lookup(mixtral, 'together')?.inputCostPerMillion).toBe(0.6);
    expect(catalogue.lookup('gpt2', 'together')).toBeUndefined();
    const usage = { promptTokens: 1e6, completionTokens: 0 };
    const served = catalogue.actual({ model: 'gpt2', provider: 'vllm', usage });
    expect(served).toMatchObject({ provider: 'vllm', model: 'gpt2', totalUsd: 0.01, assumption: undefined });
  });

  it('the user may replace and add prices, in one catalogue alone', () => {
    const own = new PricingCatalogue({
      prices: [
        { model: 'gpt2-small', provider: 'gpt2', inputCostPerMillion: 1, outputCostPerMillion: 2 },
        { model: 'mine', provider: 'vllm', inputCostPerMillion: 0, outputCostPerMillion: 0 },
      ],
    });
    expect(own.lookup('openai-community/gpt2', 'gpt2')).toMatchObject({
      model: 'gpt2',
      inputCostPerMillion: 1,
      outputCostPerMillion: 2,
      contextLength: 1024,
      source: 'user',
    });
    expect(own.lookup('mine', 'vllm')).toMatchObject({ inputCostPerMillion: 0, tier: 'standard' });
    expect(own.prices('gpt2')).toHaveLength(6);
    expect(catalogue.lookup('gpt2', 'gpt2')?.inputCostPerMillion).toBe(0.01);
    expect(catalogue.lookup('mine', 'vllm')).toBeUndefined();
  });

  it('refuses prices, counts and times that no budget could survive', () => {
    const good = { model: 'm', provider: 'p', inputCostPerMillion: 1, outputCostPerMillion: 1 };
    for (const amount of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const prices = [{ ...good, inputCostPerMillion: amount }];
      expect(() => new PricingCatalogue({ prices })).toThrow(/inputCostPerMillion is/);
      expect(() => new PricingCatalogue({ rates: { cpuHourRate: amount } })).toThrow(/cpuHourRate is/);
      const usage = { promptTokens: amount, completionTokens: 0 };
      expect(() => catalogue.actual({ model: 'gpt2', usage })).toThrow(InvalidInputError);
      expect(() => catalogue.estimate({ model: 'gpt2', promptTokens: amount })).toThrow(InvalidInputError);
      expect(() => catalogue.estimate({ model: 'gpt2', promptTokens: 1, maxTokens: amount })).toThrow(
        /maxTokens/,
      );
      expect(() => catalogue.estimate({ model: 'gpt2', promptTokens: 1, choices: amount })).toThrow(
        InvalidInputError,
      );
    }
    for (const prices of [
      [{ ...good, model: '' }],
      [{ ...good, tier: 'huge' as 'lite' }],
      [{ model: 'm' }],
    ]) {
      expect(() => new PricingCatalogue({ prices: prices as never })).toThrow(InvalidInputError);
    }
  });

  const price = { model: 'm', provider: 'p', inputCostPerMillion: 1, outputCostPerMillion: 1 };

  it.each<[unknown, string]>([
    [null, 'options must be an object, not null'],
    [{ price: [] }, 'unknown option "price"'],
    [{ charge: 'tokens' }, 'charge is "tokens"'],
    [{ prices: price }, 'prices is an object'],
    [{ prices: [null] }, 'prices is an array'],
    [{ prices: new Array(1) }, 'prices is an array'],
    [{ prices: [{}] }, 'model is undefined'],
    [{ prices: [{ ...price, aliases: new Array(1) }] }, 'aliases is an array'],
    [{ prices: [{ ...price, conflicts: 'guide' }] }, 'conflicts is "guide"'],
    [{ prices: [{ ...price, conflicts: [{ sorce: 'guide' }] }] }, 'conflicts[0]: unknown option "sorce"'],
    [{ prices: [{ ...price, conflicts: [{ costPerMillion: -1 }] }] }, 'conflicts[0]: costPerMillion is -1'],
    [{ rates: null }, 'rates is null'],
    [{ rates: 5 }, 'rates is 5'],
    [{ rates: { cpuHour: 1 } }, 'unknown option "cpuHour"'],
    [{ rates: { cpuWatts: '100' } }, 'cpuWatts is "100"'],
    [{ rates: { cpuWatts: null } }, 'cpuWatts is null'],
  ])('refuses options that cannot be meant: %j', (options, what) => {
    expect(() => new PricingCatalogue(options as never)).toThrow(
      expect.objectContaining({ name: 'InvalidInputError', message: expect.stringContaining(what) }),
    );
  });

  it('what is undefined is not given', () => {
    const prices = [{ ...price, category: undefined, source: undefined }] as never;
    const own = new PricingCatalogue({ prices, rates: { cpuWatts: undefined } as never });
    expect(own.lookup('m', 'p')).toMatchObject({ category: 'completion', source: 'user' });
    expect(own.rates).toEqual(catalogue.rates);
  });

  it.each(['1', true, null])('an amount is a number, not %j', (amount) => {
    const usage = { promptTokens: amount, completionTokens: 0 };
    expect(() => catalogue.actual({ model: 'gpt2', usage: usage as never })).toThrow(InvalidInputError);
  });
});
