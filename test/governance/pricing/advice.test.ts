import { describe, expect, it } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import {
  analyzeCosts,
  cheaperAlternatives,
  compareModels,
  costSuggestions,
  modelsByTier,
  recommendModel,
  type TaskComplexity,
} from '#inhouse/governance/pricing/advice.js';
import { PricingCatalogue } from '#inhouse/governance/pricing/catalogue.js';

const catalogue = new PricingCatalogue();
const GPT2_SIZES = ['gpt2-xl', 'gpt2-large', 'gpt2-medium', 'gpt2', 'distilgpt2'];

describe('cost advice', () => {
  it('C-91: compares models, cheapest first, with all fields', () => {
    const dear = 'meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo';
    const compared = compareModels(catalogue, [dear, ...GPT2_SIZES], { estimatedTokens: 2000 });
    const costs = compared.map(({ estimatedCost }) => estimatedCost);
    expect(costs).toEqual([...costs].sort((a, b) => a - b));
    expect(compared.map(({ model }) => model)).toEqual([
      'gpt2-large',
      'gpt2-medium',
      'gpt2',
      'distilgpt2',
      'gpt2-xl',
      dear,
    ]);
    const [first, last] = [compared[0]!, compared[5]!];
    expect(first).toMatchObject({
      provider: 'gpt2',
      tier: 'large',
      inputCostPerMillion: 0.01,
      outputCostPerMillion: 0.02,
      contextLength: 1024,
      costPerContextToken: 0.01 / 1024,
    });
    expect(first.estimatedCost).toBeCloseTo((600 * 0.01 + 1400 * 0.02) / 1e6, 15);
    expect(first.costPer1kTokens).toBeCloseTo(first.estimatedCost / 2, 15);
    expect(first).not.toHaveProperty('costPerImage');
    expect(last).toMatchObject({ fineTuningCostPerMillion: 12 });
    expect(compareModels(catalogue, ['gpt2'])[0]?.estimatedCost).toBe(first.costPer1kTokens);
  });

  it('C-92 D-27: recommends the cheapest model of the tiers for the task', () => {
    const recommended = (taskComplexity: TaskComplexity) => recommendModel(catalogue, { taskComplexity });
    expect(recommended('simple')).toMatchObject({
      recommendedModel: 'distilgpt2',
      tier: 'lite',
      provider: 'gpt2',
    });
    expect(recommended('moderate')).toMatchObject({ recommendedModel: 'gpt2-medium', tier: 'standard' });
    expect(recommended('complex')).toMatchObject({ recommendedModel: 'gpt2-large', tier: 'large' });
    for (const complexity of ['simple', 'moderate', 'complex'] as const) {
      const {
        alternatives,
        estimatedCost = 0,
        contextLength,
        budgetCompliant,
        reason,
      } = recommended(complexity);
      expect(alternatives).toHaveLength(3);
      expect(alternatives[0]?.estimatedCost).toBeGreaterThanOrEqual(estimatedCost);
      expect({ contextLength, budgetCompliant }).toEqual({ contextLength: 1024, budgetCompliant: true });
      expect(reason).toContain(complexity);
    }
    expect(recommendModel(catalogue, { taskComplexity: 'complex', provider: 'anyscale' })).toMatchObject({
      recommendedModel: 'mistralai/Mixtral-8x22B-Instruct-v0.1',
    });
  });

  it('C-92: every GPT-2 size has the context that is asked for by default', () => {
    const { allCandidates } = recommendModel(catalogue, { taskComplexity: 'simple', provider: 'gpt2' });
    expect(allCandidates).toBe(6);
  });

  it('C-92: requirements, budget and tier each may leave nothing, and the reason says which', () => {
    const none = (request: Omit<Parameters<typeof recommendModel>[1], 'taskComplexity'>) => {
      const found = recommendModel(catalogue, { taskComplexity: 'complex', ...request });
      expect(found).toMatchObject({ recommendedModel: null, alternatives: [], budgetCompliant: false });
      return found.reason;
    };
    expect(none({ minContextLength: 1e6 })).toBe('No model meets the requirements');
    expect(none({ provider: 'gpt2', requireMultimodal: true })).toBe('No model meets the requirements');
    expect(none({ budgetPerOperation: 1e-9 })).toMatch(/^No model fits the budget; the cheapest costs \$/);
    expect(none({ requireCode: true, budgetPerOperation: 0.0004 })).toBe(
      'No model that fits is of the large or premium tier',
    );
  });

  it('C-92: context, modality, code and budget filter', () => {
    const model = (request: Partial<Parameters<typeof recommendModel>[1]>) =>
      recommendModel(catalogue, { taskComplexity: 'simple', ...request }).recommendedModel;
    expect(model({ minContextLength: 100_000 })).toBe('meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo');
    expect(model({ requireMultimodal: true })).toBe('meta-llama/Llama-Vision-Free');
    expect(model({ requireCode: true, provider: 'together' })).toBe(
      'deepseek-ai/DeepSeek-R1-Distill-Llama-8B',
    );
    expect(model({ requireCode: true, provider: 'anyscale' })).toBe('codellama/CodeLlama-34b-Instruct-hf');
    const exact = recommendModel(catalogue, { taskComplexity: 'simple' }).estimatedCost ?? 0;
    expect(model({ budgetPerOperation: exact })).toBe('distilgpt2');
    expect(() => model({ taskComplexity: 'hard' as TaskComplexity })).toThrow(InvalidInputError);
  });

  it('C-93: projects a load over days, a month of 30 and a year of 365', () => {
    const load = { model: 'gpt2-xl', operationsPerDay: 1000, avgTokensPerOperation: 500 };
    const analysis = analyzeCosts(catalogue, load);
    const perOperation = (150 * 0.05 + 350 * 0.1) / 1e6;
    expect(analysis.costPerOperation).toBeCloseTo(perOperation, 15);
    expect(analysis.dailyCost).toBe(1000 * analysis.costPerOperation);
    expect(analysis.monthlyCost).toBe(30 * analysis.dailyCost);
    expect(analysis.yearlyCost).toBe(365 * analysis.dailyCost);
    expect(analyzeCosts(catalogue, { ...load, days: 7 }).monthlyCost).toBe(7 * analysis.dailyCost);
    expect(analysis).toMatchObject({
      currentModel: 'gpt2-xl',
      operationsPerDay: 1000,
      avgTokensPerOperation: 500,
      modelTier: 'premium',
      contextLength: 1024,
      operationsBreakdown: { daily: 1000, monthly: 30_000, yearly: 365_000 },
    });
    const savings = analysis.potentialSavings;
    expect(savings.cheaperAlternatives).toBe(5);
    expect(savings.bestAlternative?.model).toBe('distilgpt2');
    expect(savings.potentialDailySavings).toBeCloseTo(analysis.dailyCost * 0.8, 12);
    expect(savings.potentialMonthlySavings).toBeCloseTo(analysis.monthlyCost * 0.8, 12);
  });

  it('C-93: an alternative needs 80 % of the context; without one there is nothing to save', () => {
    const load = { operationsPerDay: 10, avgTokensPerOperation: 100 };
    const dear = analyzeCosts(catalogue, { ...load, model: 'meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo' });
    expect(dear.potentialSavings).toMatchObject({
      cheaperAlternatives: 3,
      bestAlternative: { model: 'meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo' },
    });
    expect(analyzeCosts(catalogue, { ...load, model: 'gpt2' }).potentialSavings).toEqual({
      cheaperAlternatives: 0,
      bestAlternative: null,
      potentialDailySavings: 0,
      potentialMonthlySavings: 0,
    });
    expect(() => analyzeCosts(catalogue, { ...load, model: 'gpt2', days: Number.NaN })).toThrow(
      InvalidInputError,
    );
  });

  it('C-94: the three cheapest alternatives of the same category and provider', () => {
    const xl = cheaperAlternatives(catalogue, 'gpt2-xl');
    expect(xl.map(({ model }) => model)).toEqual(['distilgpt2', 'gpt2', 'gpt2-medium']);
    for (const { costRatio, description } of xl) {
      expect(costRatio).toBeCloseTo(0.2, 12);
      expect(description).toBe('~80% cost reduction');
    }
    const llama = cheaperAlternatives(catalogue, 'llama-2-70b');
    expect(llama.map(({ model, costRatio }) => [model, costRatio])).toEqual([
      ['meta-llama/Llama-2-7b-chat-hf', 0.15],
      ['meta-llama/Meta-Llama-3-8B-Instruct', 0.15],
      ['mistralai/Mistral-7B-Instruct-v0.1', 0.15],
    ]);
    expect(cheaperAlternatives(catalogue, 'gte-large')).toEqual([]);
    expect(cheaperAlternatives(catalogue, 'unheard-of')).toEqual([]);
  });

  it('C-94: suggests something for long input, long output, high cost and the dearest models', () => {
    const quiet = { model: 'gpt2', inputTokens: 2000, outputTokens: 1000, costUsd: 0.01 };
    expect(costSuggestions(catalogue, quiet)).toEqual([]);
    const triggers: [object, RegExp][] = [
      [{ inputTokens: 2001 }, /^Shorten the prompt/],
      [{ outputTokens: 1001 }, /^Limit the output/],
      [{ costUsd: 0.011 }, /^Consider a smaller model/],
      [{ model: 'gpt2-xl' }, /^Try distilgpt2 .*~80% cost reduction/],
      [{ model: 'llama-2-70b' }, /^Try meta-llama\/Llama-2-7b-chat-hf/],
    ];
    for (const [change, expected] of triggers) {
      const found = costSuggestions(catalogue, { ...quiet, ...change });
      expect(found).toHaveLength(1);
      expect(found[0]).toMatch(expected);
    }
  });

  it('D-40: groups models by tier', () => {
    expect(modelsByTier(catalogue, { provider: 'gpt2' })).toEqual({
      lite: ['distilgpt2', 'gpt2', 'embedded'],
      standard: ['gpt2-medium'],
      large: ['gpt2-large'],
      premium: ['gpt2-xl'],
    });
    const all = Object.values(modelsByTier(catalogue)).flat();
    expect(all).toHaveLength(catalogue.prices().length);
  });
});
