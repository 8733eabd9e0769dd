// Token prices of the models that run in this process, comparable with those of remote ones. What a call costs to
// compute is infrastructure.ts.
import type { ModelPrice, PriceTier } from './price.js';

const SOURCE =
  'GenOps Hugging Face pricing, class by parameter count; the nearest public precedent, nobody bills this';

/** USD per million tokens by model size, and for input to embed (factor 0.5 for feature extraction). */
const BELOW_1B = { inputCostPerMillion: 0.01, outputCostPerMillion: 0.02, embeddingCostPerMillion: 0.005 };
const FROM_1B = { inputCostPerMillion: 0.05, outputCostPerMillion: 0.1, embeddingCostPerMillion: 0.025 };

const CONTEXT_LENGTH = 1024;

export const GPT2_PROVIDER = 'gpt2';

export const GPT2_PRICES: readonly ModelPrice[] = [
  local('distilgpt2', 81_912_576, 'lite', ['distilbert/distilgpt2', 'distil-gpt2', 'distilgpt2-82m']),
  local('gpt2', 124_439_808, 'lite', ['openai-community/gpt2', 'gpt2-small', 'gpt2-124m']),
  local('gpt2-medium', 354_823_168, 'standard', ['openai-community/gpt2-medium', 'gpt2-355m']),
  local('gpt2-large', 774_030_080, 'large', ['openai-community/gpt2-large', 'gpt2-774m']),
  local('gpt2-xl', 1_557_611_200, 'premium', ['openai-community/gpt2-xl', 'gpt2-1.5b', 'gpt2-1558m']),
  local('embedded', 7_098_368, 'lite', []),
];

/** For a GPT-2 that is not in the table, such as one the user trained. */
export function gpt2Fallback(model: string): ModelPrice {
  return { ...local(model, undefined, 'lite', []), assumption: 'a GPT-2 below 1B parameters' };
}

function local(
  model: string,
  parameterCount: number | undefined,
  tier: PriceTier,
  aliases: readonly string[],
): ModelPrice {
  return {
    model,
    provider: GPT2_PROVIDER,
    aliases,
    ...((parameterCount ?? 0) < 1e9 ? BELOW_1B : FROM_1B),
    currency: 'USD',
    category: 'completion',
    tier,
    contextLength: CONTEXT_LENGTH,
    ...(parameterCount === undefined ? {} : { parameterCount }),
    source: SOURCE,
    asOf: 'undated',
  };
}
