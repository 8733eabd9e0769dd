// Token prices of Together AI, for comparison and for calls that go there.
import type { ModelPrice, PriceTier } from './price.js';

const SOURCE = 'GenOps Together pricing';
const AS_OF = '2024';
/** The performance document agrees with it, under a heading "per 1K tokens" over prices per million. */
const GUIDE = 'GenOps Together integration guide';

export const TOGETHER_PROVIDER = 'together';

export const TOGETHER_PRICES: readonly ModelPrice[] = [
  model('meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo', 'lite', 0.1, 0.1, 131_072, {
    fineTuningCostPerMillion: 0.8,
  }),
  model('meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo', 'standard', 0.88, 0.88, 131_072, {
    fineTuningCostPerMillion: 3.2,
  }),
  model('meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo', 'premium', 5, 5, 131_072, {
    fineTuningCostPerMillion: 12,
  }),
  model('deepseek-ai/DeepSeek-R1', 'standard', 0.55, 2.19, 65_536, {
    conflicts: [{ source: GUIDE, costPerMillion: 0.14, contextLength: 32_768 }],
  }),
  model('deepseek-ai/DeepSeek-R1-Distill-Llama-8B', 'lite', 0.1, 0.1, 32_768, {
    conflicts: [{ source: GUIDE, costPerMillion: 0.14 }],
  }),
  model('deepseek-ai/DeepSeek-Coder-V2-Instruct', 'lite', 0.14, 0.28, 65_536, {
    conflicts: [{ source: GUIDE, costPerMillion: 0.14 }],
  }),
  model('Qwen/Qwen2.5-VL-72B-Instruct', 'large', 1.2, 1.2, 32_768, {
    costPerImage: 0.001,
    conflicts: [{ source: GUIDE, costPerMillion: 4 }],
  }),
  model('meta-llama/Llama-Vision-Free', 'lite', 0.18, 0.18, 131_072, {
    costPerImage: 0.0005,
    conflicts: [{ source: GUIDE, costPerMillion: 0.1 }],
  }),
  model('Qwen/Qwen2.5-Coder-32B-Instruct', 'standard', 0.3, 0.3, 32_768, {
    conflicts: [{ source: GUIDE, costPerMillion: 0.6 }],
  }),
  model('mistralai/Mixtral-8x7B-Instruct-v0.1', 'standard', 0.6, 0.6, 32_768),
  model('mistralai/Mixtral-8x22B-Instruct-v0.1', 'large', 1.2, 1.2, 65_536),
];

/** A model whose name holds this one's, or the other way round; otherwise 0.20 / 0.60. */
export function togetherFallback(name: string): ModelPrice {
  const lower = name.toLowerCase();
  const like = TOGETHER_PRICES.find((price) => {
    const known = price.model.toLowerCase();
    return known.includes(lower) || lower.includes(known);
  });
  return like
    ? { ...like, model: name, assumption: `the price of ${like.model}` }
    : model(name, 'standard', 0.2, 0.6, 8192, { assumption: "Together's price for unknown models" });
}

function model(
  name: string,
  tier: PriceTier,
  inputCostPerMillion: number,
  outputCostPerMillion: number,
  contextLength: number,
  more: Partial<ModelPrice> = {},
): ModelPrice {
  return {
    model: name,
    provider: TOGETHER_PROVIDER,
    inputCostPerMillion,
    outputCostPerMillion,
    currency: 'USD',
    category: 'chat',
    tier,
    contextLength,
    source: SOURCE,
    asOf: AS_OF,
    ...more,
  };
}
