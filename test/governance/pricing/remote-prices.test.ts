// The figures are typed a second time here, as USD per million tokens, so that a slip in either table shows.
import { describe, expect, it } from 'vitest';
import { ANYSCALE_GUIDE_ONLY, ANYSCALE_PRICES } from '#inhouse/governance/pricing/anyscale.js';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';
import { TOGETHER_PRICES } from '#inhouse/governance/pricing/together.js';

describe('prices of remote providers', () => {
  it('A-59: the twelve models of Anyscale cost what its table says', () => {
    const table = ANYSCALE_PRICES.map((price) => {
      const { model, inputCostPerMillion, outputCostPerMillion, contextLength } = price;
      return [model, inputCostPerMillion, outputCostPerMillion, contextLength];
    });
    expect(table).toEqual([
      ['meta-llama/Llama-2-70b-chat-hf', 1.0, 1.0, 4096],
      ['meta-llama/Llama-2-13b-chat-hf', 0.25, 0.25, 4096],
      ['meta-llama/Llama-2-7b-chat-hf', 0.15, 0.15, 4096],
      ['meta-llama/Meta-Llama-3-70B-Instruct', 1.0, 1.0, 8192],
      ['meta-llama/Meta-Llama-3-8B-Instruct', 0.15, 0.15, 8192],
      ['mistralai/Mistral-7B-Instruct-v0.1', 0.15, 0.15, 8192],
      ['mistralai/Mixtral-8x7B-Instruct-v0.1', 0.5, 0.5, 32_768],
      ['mistralai/Mixtral-8x22B-Instruct-v0.1', 0.9, 0.9, 65_536],
      ['thenlper/gte-large', 0.05, 0, undefined],
      ['BAAI/bge-large-en-v1.5', 0.05, 0, undefined],
      ['codellama/CodeLlama-34b-Instruct-hf', 0.75, 0.75, 16_384],
      ['codellama/CodeLlama-70b-Instruct-hf', 1.0, 1.0, 16_384],
    ]);
  });

  it('A-59: its eighteen aliases lead to their models', () => {
    const catalogue = new PricingCatalogue();
    const aliases: Record<string, string[]> = {
      'meta-llama/Llama-2-70b-chat-hf': ['llama-2-70b', 'llama-2-70b-chat', 'llama2-70b'],
      'meta-llama/Llama-2-13b-chat-hf': ['llama-2-13b', 'llama-2-13b-chat'],
      'meta-llama/Llama-2-7b-chat-hf': ['llama-2-7b', 'llama-2-7b-chat'],
      'meta-llama/Meta-Llama-3-70B-Instruct': ['llama-3-70b', 'llama3-70b'],
      'meta-llama/Meta-Llama-3-8B-Instruct': ['llama-3-8b', 'llama3-8b'],
      'mistralai/Mistral-7B-Instruct-v0.1': ['mistral-7b'],
      'mistralai/Mixtral-8x7B-Instruct-v0.1': ['mixtral-8x7b'],
      'mistralai/Mixtral-8x22B-Instruct-v0.1': ['mixtral-8x22b'],
      'codellama/CodeLlama-34b-Instruct-hf': ['codellama-34b'],
      'codellama/CodeLlama-70b-Instruct-hf': ['codellama-70b'],
      'thenlper/gte-large': ['gte-large'],
      'BAAI/bge-large-en-v1.5': ['bge-large'],
    };
    for (const [model, names] of Object.entries(aliases)) {
      for (const name of names) expect(catalogue.lookup(name, 'anyscale')?.model).toBe(model);
    }
    expect(ANYSCALE_PRICES.flatMap(({ aliases: names = [] }) => names)).toHaveLength(18);
    expect(Object.values(aliases).flat()).toHaveLength(18);
  });

  it('A-59 D-37: each price has its source and date, and disagreements of the guide are kept', () => {
    for (const { source, asOf } of ANYSCALE_PRICES) {
      expect([source, asOf]).toEqual([
        'GenOps Anyscale pricing, after the Anyscale Endpoints price page',
        'January 2026',
      ]);
    }
    const disputed = ANYSCALE_PRICES.filter(({ conflicts }) => conflicts);
    expect(disputed.map(({ model, conflicts }) => [model, conflicts?.[0]?.costPerMillion])).toEqual([
      ['codellama/CodeLlama-34b-Instruct-hf', 0.8],
    ]);
    expect(ANYSCALE_GUIDE_ONLY).toMatchObject({
      model: 'mistralai/Mistral-7B-Instruct-v0.2',
      costPerMillion: 0.15,
    });
    expect(new PricingCatalogue().lookup(ANYSCALE_GUIDE_ONLY.model)).toBeUndefined();
  });

  it('T-39: the eleven models of Together cost what its table says', () => {
    const table = TOGETHER_PRICES.map((price) => {
      const { model, tier, inputCostPerMillion, outputCostPerMillion, contextLength } = price;
      return [model.split('/')[1], tier, inputCostPerMillion, outputCostPerMillion, contextLength];
    });
    expect(table).toEqual([
      ['Meta-Llama-3.1-8B-Instruct-Turbo', 'lite', 0.1, 0.1, 131_072],
      ['Meta-Llama-3.1-70B-Instruct-Turbo', 'standard', 0.88, 0.88, 131_072],
      ['Meta-Llama-3.1-405B-Instruct-Turbo', 'premium', 5, 5, 131_072],
      ['DeepSeek-R1', 'standard', 0.55, 2.19, 65_536],
      ['DeepSeek-R1-Distill-Llama-8B', 'lite', 0.1, 0.1, 32_768],
      ['DeepSeek-Coder-V2-Instruct', 'lite', 0.14, 0.28, 65_536],
      ['Qwen2.5-VL-72B-Instruct', 'large', 1.2, 1.2, 32_768],
      ['Llama-Vision-Free', 'lite', 0.18, 0.18, 131_072],
      ['Qwen2.5-Coder-32B-Instruct', 'standard', 0.3, 0.3, 32_768],
      ['Mixtral-8x7B-Instruct-v0.1', 'standard', 0.6, 0.6, 32_768],
      ['Mixtral-8x22B-Instruct-v0.1', 'large', 1.2, 1.2, 65_536],
    ]);
    const extra = TOGETHER_PRICES.map((price) => [price.fineTuningCostPerMillion, price.costPerImage]);
    expect(extra.slice(0, 3).map(([fineTuning]) => fineTuning)).toEqual([0.8, 3.2, 12]);
    expect([extra[6]?.[1], extra[7]?.[1]]).toEqual([0.001, 0.0005]);
    expect(extra.flat().filter((value) => value !== undefined)).toHaveLength(5);
  });

  it('T-39 D-38: each price has its source and date, and the seven disagreements of the guide are kept', () => {
    for (const { source, asOf } of TOGETHER_PRICES) {
      expect([source, asOf]).toEqual(['GenOps Together pricing', '2024']);
    }
    const disputed = TOGETHER_PRICES.flatMap(({ model, conflicts = [] }) =>
      conflicts.map(({ costPerMillion, contextLength }) => [
        model.split('/')[1],
        costPerMillion,
        contextLength,
      ]),
    );
    expect(disputed).toEqual([
      ['DeepSeek-R1', 0.14, 32_768],
      ['DeepSeek-R1-Distill-Llama-8B', 0.14, undefined],
      ['DeepSeek-Coder-V2-Instruct', 0.14, undefined],
      ['Qwen2.5-VL-72B-Instruct', 4, undefined],
      ['Llama-Vision-Free', 0.1, undefined],
      ['Qwen2.5-Coder-32B-Instruct', 0.6, undefined],
    ]);
    const figures = disputed.flatMap(([, price, context]) => [price, context]);
    expect(figures.filter((figure) => figure !== undefined)).toHaveLength(7);
  });

  it('T-39: an unknown model is priced like one whose name it shares, else 0.20 / 0.60', () => {
    const catalogue = new PricingCatalogue();
    expect(catalogue.priceOf('llama-vision-free', 'together')).toMatchObject({
      inputCostPerMillion: 0.18,
      assumption: 'the price of meta-llama/Llama-Vision-Free',
    });
    expect(catalogue.priceOf('quite/new', 'together')).toMatchObject({
      model: 'quite/new',
      inputCostPerMillion: 0.2,
      outputCostPerMillion: 0.6,
      tier: 'standard',
      contextLength: 8192,
      assumption: "Together's price for unknown models",
    });
    expect(catalogue.lookup('llama-vision-free', 'together')).toBeUndefined();
  });
});
