// Token prices of Anyscale Endpoints, for comparison and for calls that go there.
import type { ModelPrice, PriceConflict, PriceTier } from './price.js';

const SOURCE = 'GenOps Anyscale pricing, after the Anyscale Endpoints price page';
const AS_OF = 'January 2026';
const GUIDE = 'GenOps Anyscale integration guide';

export const ANYSCALE_PROVIDER = 'anyscale';

export const ANYSCALE_PRICES: readonly ModelPrice[] = [
  chat('meta-llama/Llama-2-70b-chat-hf', 1, 4096, ['llama-2-70b-chat', 'llama-2-70b', 'llama2-70b']),
  chat('meta-llama/Llama-2-13b-chat-hf', 0.25, 4096, ['llama-2-13b-chat', 'llama-2-13b']),
  chat('meta-llama/Llama-2-7b-chat-hf', 0.15, 4096, ['llama-2-7b-chat', 'llama-2-7b']),
  chat('meta-llama/Meta-Llama-3-70B-Instruct', 1, 8192, ['llama-3-70b', 'llama3-70b']),
  chat('meta-llama/Meta-Llama-3-8B-Instruct', 0.15, 8192, ['llama-3-8b', 'llama3-8b']),
  chat('mistralai/Mistral-7B-Instruct-v0.1', 0.15, 8192, ['mistral-7b']),
  chat('mistralai/Mixtral-8x7B-Instruct-v0.1', 0.5, 32_768, ['mixtral-8x7b']),
  chat('mistralai/Mixtral-8x22B-Instruct-v0.1', 0.9, 65_536, ['mixtral-8x22b'], {
    notes: 'In the price list only; the guide does not name it.',
  }),
  embedding('thenlper/gte-large', 0.05, 'gte-large'),
  embedding('BAAI/bge-large-en-v1.5', 0.05, 'bge-large'),
  chat('codellama/CodeLlama-34b-Instruct-hf', 0.75, 16_384, ['codellama-34b'], {
    conflicts: [{ source: GUIDE, costPerMillion: 0.8 }],
  }),
  chat('codellama/CodeLlama-70b-Instruct-hf', 1, 16_384, ['codellama-70b']),
];

/** Named with a price by the guide, absent from the price list: told, not billed. */
export const ANYSCALE_GUIDE_ONLY = {
  model: 'mistralai/Mistral-7B-Instruct-v0.2',
  costPerMillion: 0.15,
  source: GUIDE,
} as const;

const UNKNOWN_SIZE = { input: 0.5, output: 0.5, tier: 'standard' } as const;

/** USD per million by words in the name. Embedding comes first: "embed-large" is no 70B model. */
const BY_WORD = [
  { words: ['embed'], input: 0.05, output: 0, tier: 'lite' },
  { words: ['70b', 'large', 'xl'], input: 1, output: 1, tier: 'premium' },
  { words: ['13b', '34b', 'medium'], input: 0.5, output: 0.5, tier: 'standard' },
  { words: ['7b', '8b', 'small'], input: 0.15, output: 0.15, tier: 'lite' },
] as const;

/** A guess for a model that no list has. */
export function fallbackBySize(model: string, provider: string): ModelPrice {
  const name = model.toLowerCase();
  const guess = BY_WORD.find(({ words }) => words.some((word) => name.includes(word)));
  const { input, output, tier } = guess ?? UNKNOWN_SIZE;
  return {
    model,
    provider,
    inputCostPerMillion: input,
    outputCostPerMillion: output,
    currency: 'USD',
    category: name.includes('embed') ? 'embedding' : 'chat',
    tier,
    source: SOURCE,
    asOf: AS_OF,
    assumption: guess
      ? `the size that "${guess.words.find((word) => name.includes(word))}" in its name tells`
      : 'a model of medium size',
  };
}

interface Remarks {
  readonly notes?: string;
  readonly conflicts?: readonly PriceConflict[];
}

/** Input and output cost the same there. */
function chat(
  model: string,
  costPerMillion: number,
  contextLength: number,
  aliases: readonly string[],
  remarks: Remarks = {},
): ModelPrice {
  return {
    model,
    provider: ANYSCALE_PROVIDER,
    aliases,
    inputCostPerMillion: costPerMillion,
    outputCostPerMillion: costPerMillion,
    currency: 'USD',
    category: 'chat',
    tier: tierOf(costPerMillion),
    contextLength,
    source: SOURCE,
    asOf: AS_OF,
    ...remarks,
  };
}

function embedding(model: string, inputCostPerMillion: number, alias: string): ModelPrice {
  return {
    model,
    provider: ANYSCALE_PROVIDER,
    aliases: [alias],
    inputCostPerMillion,
    outputCostPerMillion: 0,
    currency: 'USD',
    category: 'embedding',
    tier: 'lite',
    source: SOURCE,
    asOf: AS_OF,
  };
}

/** Its list has no tiers; these follow the price, with the bounds of Together's. */
function tierOf(costPerMillion: number): PriceTier {
  if (costPerMillion < 0.3) return 'lite';
  if (costPerMillion < 0.9) return 'standard';
  return costPerMillion < 1 ? 'large' : 'premium';
}
