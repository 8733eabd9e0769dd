// The price of one model at one provider, and where it is from.
import { checkOptions, invalidOption, missing, requireOptions, rule } from '../../options.js';

export type PriceTier = 'lite' | 'standard' | 'large' | 'premium';
export type PriceCategory = 'chat' | 'completion' | 'embedding';

/** USD per million tokens, unless a name says otherwise. */
export interface ModelPrice {
  /** As the provider names it. */
  readonly model: string;
  /** Slug: one model costs differently at different providers. */
  readonly provider: string;
  readonly displayName?: string;
  readonly aliases?: readonly string[];
  readonly inputCostPerMillion: number;
  readonly outputCostPerMillion: number;
  /** Of input to embed, where it differs from other input. */
  readonly embeddingCostPerMillion?: number;
  readonly fineTuningCostPerMillion?: number;
  readonly costPerImage?: number;
  readonly currency: 'USD';
  readonly category: PriceCategory;
  readonly tier: PriceTier;
  /** Tokens. Absent where the source does not tell. */
  readonly contextLength?: number;
  readonly parameterCount?: number;
  readonly notes?: string;
  /** Set on a price that no source gives: what was assumed instead. */
  readonly assumption?: string;
  /** Who says so. */
  readonly source: string;
  /** When the source says it was so, in its own words. */
  readonly asOf: string;
  /** Other figures for the same model, kept so that a disagreement is seen. */
  readonly conflicts?: readonly PriceConflict[];
}

export interface PriceConflict {
  readonly source: string;
  /** One figure for input and output. */
  readonly costPerMillion?: number;
  readonly contextLength?: number;
}

/** What a user gives to price a model. What it leaves out is taken from the catalogue, where that has the model. */
export type PriceInput = Pick<
  ModelPrice,
  'model' | 'provider' | 'inputCostPerMillion' | 'outputCostPerMillion'
> &
  Partial<Omit<ModelPrice, 'currency' | 'assumption'>>;

const PRICE_RULES = {
  model: rule.text,
  provider: rule.text,
  displayName: rule.text,
  aliases: rule.arrayOf('strings that are not empty', (alias) => typeof alias === 'string' && alias !== ''),
  inputCostPerMillion: rule.number(0),
  outputCostPerMillion: rule.number(0),
  embeddingCostPerMillion: rule.number(0),
  fineTuningCostPerMillion: rule.number(0),
  costPerImage: rule.number(0),
  category: rule.oneOf('chat', 'completion', 'embedding'),
  tier: rule.oneOf('lite', 'standard', 'large', 'premium'),
  contextLength: rule.integer(1),
  parameterCount: rule.integer(1),
  notes: rule.text,
  source: rule.text,
  asOf: rule.text,
  conflicts: rule.arrayOf('objects', (conflict) => rule.object(conflict) === undefined),
};

const CONFLICT_RULES = { source: rule.text, costPerMillion: rule.number(0), contextLength: rule.integer(1) };

const REQUIRED = ['model', 'provider', 'inputCostPerMillion', 'outputCostPerMillion'] as const;

/** @throws InvalidInputError for an amount that is negative or not finite, or a field that is missing or unknown */
export function checkPrice(input: PriceInput): void {
  requireOptions('price', input);
  checkOptions('price', input, PRICE_RULES);
  for (const [index, conflict] of (input.conflicts ?? []).entries()) {
    checkOptions(`price: conflicts[${index}]`, conflict, CONFLICT_RULES);
  }
  for (const field of REQUIRED) {
    if (input[field] === undefined) throw invalidOption('price', field, undefined, 'given');
  }
}

/** A price as the user sees it, over what is known of the model. */
export function userPrice(input: PriceInput, known?: ModelPrice): ModelPrice {
  const defaults = {
    category: 'completion',
    tier: 'standard',
    ...known,
    source: 'user',
    asOf: 'as configured',
    currency: 'USD',
  };
  return Object.freeze({ ...input, ...missing(input, defaults) }) as ModelPrice;
}

/** USD per thousand tokens. */
export function perThousand(price: ModelPrice): { readonly input: number; readonly output: number } {
  return { input: price.inputCostPerMillion / 1000, output: price.outputCostPerMillion / 1000 };
}

/** @throws InvalidInputError unless `value` is finite and not negative: a wrong amount must never reach a budget */
export function requireAmount(caller: string, name: string, value: number): void {
  if (!(Number.isFinite(value) && value >= 0)) {
    throw invalidOption(caller, name, value, 'a finite number, 0 or more');
  }
}
