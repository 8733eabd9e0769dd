// What every model costs at every provider: prices found by name, calls priced before and after they run.
import { checkOptions, rule } from '../../options.js';
import { ANYSCALE_PRICES, ANYSCALE_PROVIDER, fallbackBySize } from './anyscale.js';
import {
  type Cost,
  type CostEstimate,
  type CostType,
  inputCost,
  outputCost,
  type PricedOperation,
  ratioCost,
} from './cost.js';
import { GPT2_PRICES, GPT2_PROVIDER, gpt2Fallback } from './gpt2.js';
import {
  ComputePace,
  type DeviceSeconds,
  type InfrastructureRates,
  infrastructureCost,
  infrastructureRates,
} from './infrastructure.js';
import { checkPrice, type ModelPrice, type PriceInput, requireAmount, userPrice } from './price.js';
import { PriceTable } from './price-table.js';
import { TOGETHER_PRICES, TOGETHER_PROVIDER, togetherFallback } from './together.js';

export interface CatalogueOptions {
  /** Prices that replace or add to the built-in ones. */
  readonly prices?: readonly PriceInput[];
  /** What a call is charged by where both are known. Default 'token'. Both are reported always. */
  readonly charge?: CostType;
  readonly rates?: Partial<InfrastructureRates>;
}

export interface EstimateInput {
  readonly model: string;
  /** Slug. Where it has prices of its own only those count; otherwise any list that has the model, local first. */
  readonly provider?: string | undefined;
  /** Where it runs: of a remote model nobody measures the time. Default 'local'. */
  readonly kind?: 'local' | 'remote' | undefined;
  readonly promptTokens: number;
  /** Per choice. Default: what the context leaves. */
  readonly maxTokens?: number | undefined;
  /** As the provider tells it. Default: the catalogue's, unless the prompt shows that the model has more. */
  readonly contextLength?: number | undefined;
  /** Default 1. */
  readonly choices?: number | undefined;
  /** Default 'completion'. */
  readonly operation?: PricedOperation | undefined;
}

export interface ActualInput {
  readonly model: string;
  readonly provider?: string | undefined;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
  readonly operation?: PricedOperation | undefined;
  /** Measured, for models that run here. */
  readonly computeSeconds?: DeviceSeconds | undefined;
}

/** Assumed for a model whose context nobody told, when the request has no limit of its own; as Anyscale's guide does. */
const ASSUMED_OUTPUT_TOKENS = 500;

/** The first that has a model wins where no provider is named. Shared by all catalogues. */
const BUILT_IN: ReadonlyMap<string, PriceTable> = new Map([
  [GPT2_PROVIDER, new PriceTable(GPT2_PRICES)],
  [ANYSCALE_PROVIDER, new PriceTable(ANYSCALE_PRICES)],
  [TOGETHER_PROVIDER, new PriceTable(TOGETHER_PRICES)],
]);

const RULES = {
  prices: rule.arrayOf('prices', (price) => rule.object(price) === undefined),
  charge: rule.oneOf('token', 'infrastructure'),
  rates: rule.object,
};

export class PricingCatalogue {
  readonly #tables = new Map(BUILT_IN);
  readonly #charge: CostType;
  readonly #rates: InfrastructureRates;
  readonly #pace = new ComputePace();

  /** @throws InvalidInputError for prices and rates that are negative or not finite, and for an unknown option */
  constructor(options: CatalogueOptions = {}) {
    checkOptions('PricingCatalogue', options, RULES);
    this.#charge = options.charge ?? 'token';
    this.#rates = infrastructureRates(options.rates);
    for (const price of options.prices ?? []) this.set(price);
  }

  get rates(): InfrastructureRates {
    return this.#rates;
  }

  /** Replaces or adds a price, in this catalogue only. @throws InvalidInputError as the constructor does */
  set(input: PriceInput): void {
    checkPrice(input);
    const table = this.#tables.get(input.provider) ?? new PriceTable([]);
    const known = table.find(input.model);
    const price = userPrice({ ...input, model: known?.model ?? input.model }, known);
    this.#tables.set(input.provider, table.with(price));
  }

  prices(provider?: string): readonly ModelPrice[] {
    return [...this.#tables].flatMap(([name, table]) =>
      provider === undefined || name === provider ? table.prices : [],
    );
  }

  /** The price of a model by its name or an alias; undefined when no source tells. */
  lookup(model: string, provider?: string): ModelPrice | undefined {
    const table = provider === undefined ? undefined : this.#tables.get(provider);
    if (table !== undefined) return table.find(model);
    for (const other of this.#tables.values()) {
      const price = other.find(model);
      if (price !== undefined) return price;
    }
    return undefined;
  }

  /** As `lookup`; for a model without a price, a guess whose `assumption` says what it rests on. */
  priceOf(model: string, provider?: string): ModelPrice {
    const known = this.lookup(model, provider);
    if (known !== undefined) return known;
    if (provider === GPT2_PROVIDER || /gpt-?2(?!\d)/i.test(model)) return gpt2Fallback(model);
    if (provider === TOGETHER_PROVIDER) return togetherFallback(model);
    return fallbackBySize(model, provider ?? 'unknown');
  }

  /**
   * The most a call can cost by tokens: the exact prompt and as much output as the limits allow. Where time is charged,
   * what so many tokens took so far, else their price: a guess.
   * @throws InvalidInputError for counts that are negative or not finite
   */
  estimate(input: EstimateInput): CostEstimate {
    const { promptTokens, operation, choices = 1 } = input;
    const price = this.priceOf(input.model, input.provider);
    const most = operation === 'embedding' ? 0 : mostOutput(input, price);
    const bounded = most < Number.POSITIVE_INFINITY;
    const outputTokens = choices * (bounded ? most : ASSUMED_OUTPUT_TOKENS);
    const isTimed = input.kind !== 'remote';
    const infrastructureUsd = isTimed
      ? this.#pace.estimate(price.model, promptTokens + outputTokens)
      : undefined;
    const cost = this.#cost(input, price, promptTokens, outputTokens, infrastructureUsd);
    // Tokens bound tokens. What time will cost they do not tell, even where they are all there is to estimate by.
    const chargedByTime = isTimed && this.#charge === 'infrastructure';
    return Object.assign(cost, { isUpperBound: bounded && !chargedByTime });
  }

  /** Sum of many estimates. */
  estimateBatch(inputs: Iterable<EstimateInput>): {
    readonly totalUsd: number;
    readonly estimates: CostEstimate[];
  } {
    const estimates = Array.from(inputs, (input) => this.estimate(input));
    return { totalUsd: estimates.reduce((sum, { totalUsd }) => sum + totalUsd, 0), estimates };
  }

  /**
   * Together's form of an estimate: a total of tokens, split by a ratio (default 0.3 input). `tokens` is another name
   * for `estimatedTokens`. USD.
   */
  estimateByRatio(input: {
    readonly model: string;
    readonly provider?: string;
    readonly estimatedTokens?: number;
    readonly tokens?: number;
    readonly inputOutputRatio?: number;
  }): number {
    const { model, provider, tokens = 0, estimatedTokens = tokens, inputOutputRatio } = input;
    return ratioCost(this.priceOf(model, provider), estimatedTokens, inputOutputRatio).tokenUsd;
  }

  /**
   * What a call did cost, by tokens and, where its compute time is known, by infrastructure. Later estimates learn
   * from that time.
   * @throws InvalidInputError for counts and times that are negative or not finite
   */
  actual(input: ActualInput): Cost {
    const cost = this.cost(input);
    if (cost.infrastructureUsd !== undefined) {
      this.#pace.record(cost.model, cost.inputTokens + cost.outputTokens, cost.infrastructureUsd);
    }
    return cost;
  }

  /** As `actual`, and nothing is learned: for calls under way, or that failed. */
  cost(input: ActualInput): Cost {
    const { promptTokens, completionTokens } = input.usage;
    const price = this.priceOf(input.model, input.provider);
    const { computeSeconds } = input;
    const infrastructureUsd = computeSeconds && infrastructureCost(computeSeconds, this.#rates);
    return this.#cost(input, price, promptTokens, completionTokens, infrastructureUsd);
  }

  #cost(
    call: { readonly provider?: string | undefined; readonly operation?: PricedOperation | undefined },
    price: ModelPrice,
    inputTokens: number,
    outputTokens: number,
    infrastructureUsd: number | undefined,
  ): Cost {
    const inputUsd = inputCost(price, inputTokens, call.operation ?? 'completion');
    const outputUsd = outputCost(price, outputTokens);
    const tokenUsd = inputUsd + outputUsd;
    const byInfrastructure = this.#charge === 'infrastructure' && infrastructureUsd !== undefined;
    return {
      model: price.model,
      provider: call.provider ?? price.provider,
      currency: 'USD',
      type: byInfrastructure ? 'infrastructure' : 'token',
      totalUsd: byInfrastructure ? infrastructureUsd : tokenUsd,
      inputUsd,
      outputUsd,
      tokenUsd,
      infrastructureUsd,
      inputTokens,
      outputTokens,
      assumption: price.assumption,
    };
  }
}

/** Tokens one choice can have; Infinity where nothing bounds it. */
function mostOutput(input: EstimateInput, price: ModelPrice): number {
  const { promptTokens, maxTokens, contextLength = listedContext(price, promptTokens) } = input;
  requireAmount('estimate', 'promptTokens', promptTokens);
  if (maxTokens !== undefined) requireAmount('estimate', 'maxTokens', maxTokens);
  if (contextLength !== undefined) requireAmount('estimate', 'contextLength', contextLength);
  // The last token is never read again, so it needs no position.
  const left = contextLength === undefined ? Number.POSITIVE_INFINITY : contextLength - promptTokens + 1;
  return Math.min(maxTokens ?? Number.POSITIVE_INFINITY, Math.max(0, left));
}

/** Undefined where the prompt does not fit: the provider that takes it runs the model with a longer one. */
function listedContext({ contextLength }: ModelPrice, promptTokens: number): number | undefined {
  return contextLength !== undefined && promptTokens <= contextLength ? contextLength : undefined;
}
