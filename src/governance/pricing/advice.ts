// Which model would cost less: comparisons, recommendations and projections over the catalogue.
// It knows prices, context lengths and tiers, and nothing of how well a model answers.
import { invalidOption, rule } from '../../options.js';
import { showUsd } from '../usd.js';
import type { PricingCatalogue } from './catalogue.js';
import { ratioCost } from './cost.js';
import { type ModelPrice, type PriceTier, requireAmount } from './price.js';

export interface ModelComparison {
  readonly model: string;
  readonly provider: string;
  readonly tier: PriceTier;
  readonly inputCostPerMillion: number;
  readonly outputCostPerMillion: number;
  /** USD for the tokens that were asked about, 30 % of them input. */
  readonly estimatedCost: number;
  readonly costPer1kTokens: number;
  readonly contextLength?: number;
  /** Input price per million over the context length. */
  readonly costPerContextToken?: number;
  readonly costPerImage?: number;
  readonly fineTuningCostPerMillion?: number;
}

export interface Scope {
  /** Slug; default: every provider of the catalogue. */
  readonly provider?: string | undefined;
}

/** Cheapest first; among equals, as they were given. Unknown models are compared at their fallback price. */
export function compareModels(
  catalogue: PricingCatalogue,
  models: readonly string[],
  { estimatedTokens = 1000, provider }: Scope & { readonly estimatedTokens?: number } = {},
): readonly ModelComparison[] {
  return ranked(
    models.map((model) => catalogue.priceOf(model, provider)),
    estimatedTokens,
  );
}

export type TaskComplexity = 'simple' | 'moderate' | 'complex';

export interface RecommendationRequest extends Scope {
  readonly taskComplexity: TaskComplexity;
  /** USD. */
  readonly budgetPerOperation?: number;
  readonly requireMultimodal?: boolean;
  readonly requireCode?: boolean;
  /** Tokens. Default 1 024, the context of GPT-2. */
  readonly minContextLength?: number;
}

export interface Recommendation {
  readonly recommendedModel: string | null;
  readonly provider?: string;
  /** USD per operation of 1 000 tokens. */
  readonly estimatedCost?: number;
  readonly tier?: PriceTier;
  readonly contextLength?: number;
  readonly reason: string;
  /** The next three. */
  readonly alternatives: readonly ModelComparison[];
  /** How many meet the requirements, before budget and complexity. */
  readonly allCandidates: number;
  readonly budgetCompliant: boolean;
}

const TIERS: Readonly<Record<TaskComplexity, readonly PriceTier[]>> = {
  simple: ['lite', 'standard'],
  moderate: ['standard', 'large'],
  complex: ['large', 'premium'],
};

/** The cheapest model that meets the requirements, the budget, and is of a tier for such tasks. */
export function recommendModel(catalogue: PricingCatalogue, request: RecommendationRequest): Recommendation {
  const { taskComplexity, budgetPerOperation = Number.POSITIVE_INFINITY, minContextLength = 1024 } = request;
  const expected = rule.oneOf(...Object.keys(TIERS))(taskComplexity);
  if (expected) throw invalidOption('recommendModel', 'taskComplexity', taskComplexity, expected);
  const meets = (price: ModelPrice) =>
    price.category !== 'embedding' &&
    (price.contextLength ?? 0) >= minContextLength &&
    (!request.requireMultimodal || price.costPerImage !== undefined) &&
    (!request.requireCode || /code|deepseek/i.test(price.model));
  const candidates = ranked(catalogue.prices(request.provider).filter(meets), 1000);
  const affordable = candidates.filter(({ estimatedCost }) => estimatedCost <= budgetPerOperation);
  const [best, ...others] = affordable.filter(({ tier }) => TIERS[taskComplexity].includes(tier));
  if (best === undefined) {
    return {
      recommendedModel: null,
      reason: whyNone(candidates, affordable, taskComplexity),
      alternatives: [],
      allCandidates: candidates.length,
      budgetCompliant: false,
    };
  }
  return {
    recommendedModel: best.model,
    provider: best.provider,
    estimatedCost: best.estimatedCost,
    tier: best.tier,
    ...(best.contextLength === undefined ? {} : { contextLength: best.contextLength }),
    reason: `The cheapest of the ${TIERS[taskComplexity].join(' and ')} tiers, for ${taskComplexity} tasks`,
    alternatives: others.slice(0, 3),
    allCandidates: candidates.length,
    budgetCompliant: true,
  };
}

export interface CostAnalysis {
  readonly currentModel: string;
  readonly costPerOperation: number;
  readonly dailyCost: number;
  /** dailyCost * days. */
  readonly monthlyCost: number;
  /** dailyCost * 365. */
  readonly yearlyCost: number;
  readonly operationsPerDay: number;
  readonly avgTokensPerOperation: number;
  readonly days: number;
  readonly operationsBreakdown: {
    readonly daily: number;
    readonly monthly: number;
    readonly yearly: number;
  };
  readonly modelTier: PriceTier;
  readonly contextLength?: number;
  readonly potentialSavings: {
    /** How many cost less with at least 80 % of the context. */
    readonly cheaperAlternatives: number;
    readonly bestAlternative: ModelComparison | null;
    readonly potentialDailySavings: number;
    readonly potentialMonthlySavings: number;
  };
}

/** What a steady load costs, and would cost elsewhere. USD. */
export function analyzeCosts(
  catalogue: PricingCatalogue,
  load: Scope & {
    readonly model: string;
    readonly operationsPerDay: number;
    readonly avgTokensPerOperation: number;
    /** Default 30. */
    readonly days?: number;
  },
): CostAnalysis {
  const { model, provider, operationsPerDay, avgTokensPerOperation, days = 30 } = load;
  requireAmount('analyzeCosts', 'operationsPerDay', operationsPerDay);
  requireAmount('analyzeCosts', 'days', days);
  const price = catalogue.priceOf(model, provider);
  const costPerOperation = ratioCost(price, avgTokensPerOperation).tokenUsd;
  const dailyCost = costPerOperation * operationsPerDay;
  const cheaper = ranked(
    catalogue
      .prices(provider)
      .filter(
        (other) =>
          other.category !== 'embedding' && (other.contextLength ?? 0) >= 0.8 * (price.contextLength ?? 0),
      ),
    avgTokensPerOperation,
  ).filter(({ estimatedCost }) => estimatedCost < costPerOperation);
  const best = cheaper[0] ?? null;
  const dailySavings = best === null ? 0 : dailyCost - best.estimatedCost * operationsPerDay;
  return {
    currentModel: model,
    costPerOperation,
    dailyCost,
    monthlyCost: dailyCost * days,
    yearlyCost: dailyCost * 365,
    operationsPerDay,
    avgTokensPerOperation,
    days,
    operationsBreakdown: {
      daily: operationsPerDay,
      monthly: operationsPerDay * days,
      yearly: operationsPerDay * 365,
    },
    modelTier: price.tier,
    ...(price.contextLength === undefined ? {} : { contextLength: price.contextLength }),
    potentialSavings: {
      cheaperAlternatives: cheaper.length,
      bestAlternative: best,
      potentialDailySavings: dailySavings,
      potentialMonthlySavings: dailySavings * days,
    },
  };
}

export interface Alternative {
  readonly model: string;
  readonly provider: string;
  /** Its average price over the current one's, below 1. */
  readonly costRatio: number;
  readonly description: string;
}

/** The three cheapest of the same category and provider. Empty for a model without a price. */
export function cheaperAlternatives(
  catalogue: PricingCatalogue,
  model: string,
  { provider }: Scope = {},
): Alternative[] {
  const current = catalogue.lookup(model, provider);
  if (current === undefined) return [];
  return catalogue
    .prices(current.provider)
    .filter((price) => price.category === current.category && averagePrice(price) < averagePrice(current))
    .map((price) => {
      const costRatio = averagePrice(price) / averagePrice(current);
      const description = `~${Math.round((1 - costRatio) * 100)}% cost reduction`;
      return { model: price.model, provider: price.provider, costRatio, description };
    })
    .sort((a, b) => a.costRatio - b.costRatio)
    .slice(0, 3);
}

const LONG_INPUT_TOKENS = 2000;
const LONG_OUTPUT_TOKENS = 1000;
const HIGH_COST_USD = 0.01;

/** What would make an operation cheaper, in sentences. */
export function costSuggestions(
  catalogue: PricingCatalogue,
  operation: Scope & {
    readonly model: string;
    readonly inputTokens: number;
    readonly outputTokens: number;
    readonly costUsd: number;
  },
): readonly string[] {
  const { model, inputTokens, outputTokens, costUsd, provider } = operation;
  const found: string[] = [];
  if (inputTokens > LONG_INPUT_TOKENS)
    found.push(`Shorten the prompt or split it: it has ${inputTokens} tokens.`);
  if (outputTokens > LONG_OUTPUT_TOKENS) found.push(`Limit the output: it had ${outputTokens} tokens.`);
  if (costUsd > HIGH_COST_USD)
    found.push(`Consider a smaller model: the operation cost ${showUsd(costUsd)}.`);
  const [smaller] = cheaperAlternatives(catalogue, model, { provider });
  if (smaller && (/70b/i.test(model) || catalogue.lookup(model, provider)?.tier === 'premium'))
    found.push(`Try ${smaller.model} for simpler tasks: ${smaller.description}.`);
  return found;
}

export function modelsByTier(
  catalogue: PricingCatalogue,
  { provider }: Scope = {},
): Readonly<Record<PriceTier, readonly string[]>> {
  const groups: Record<PriceTier, string[]> = { lite: [], standard: [], large: [], premium: [] };
  for (const { tier, model } of catalogue.prices(provider)) groups[tier].push(model);
  return groups;
}

function ranked(prices: readonly ModelPrice[], tokens: number): readonly ModelComparison[] {
  return prices.map((price) => comparison(price, tokens)).sort((a, b) => a.estimatedCost - b.estimatedCost);
}

function comparison(price: ModelPrice, tokens: number): ModelComparison {
  const { model, provider, tier, inputCostPerMillion, outputCostPerMillion } = price;
  const { contextLength, costPerImage, fineTuningCostPerMillion } = price;
  return {
    model,
    provider,
    tier,
    inputCostPerMillion,
    outputCostPerMillion,
    estimatedCost: ratioCost(price, tokens).tokenUsd,
    costPer1kTokens: ratioCost(price, 1000).tokenUsd,
    ...(contextLength && { contextLength, costPerContextToken: inputCostPerMillion / contextLength }),
    ...(costPerImage !== undefined && { costPerImage }),
    ...(fineTuningCostPerMillion !== undefined && { fineTuningCostPerMillion }),
  };
}

function whyNone(
  candidates: readonly ModelComparison[],
  affordable: readonly ModelComparison[],
  complexity: TaskComplexity,
): string {
  if (candidates.length === 0) return 'No model meets the requirements';
  if (affordable.length === 0) {
    return `No model fits the budget; the cheapest costs ${showUsd(candidates[0]?.estimatedCost ?? 0)}`;
  }
  return `No model that fits is of the ${TIERS[complexity].join(' or ')} tier`;
}

function averagePrice(price: ModelPrice): number {
  return (price.inputCostPerMillion + price.outputCostPerMillion) / 2;
}
