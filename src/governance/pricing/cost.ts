// What calls cost: the sums, without rounding. Formatting is for whoever prints.
import { invalidOption, rule } from '../../options.js';
import { type ModelPrice, requireAmount } from './price.js';

/** Priced by tokens, as remote providers bill, or by the time the devices took. */
export type CostType = 'token' | 'infrastructure';

export interface TokenCost {
  readonly inputUsd: number;
  readonly outputUsd: number;
  /** inputUsd + outputUsd. */
  readonly tokenUsd: number;
}

export interface Cost extends TokenCost {
  /** As the catalogue names it. */
  readonly model: string;
  /** Who served the call, also where the price is another's. */
  readonly provider: string;
  readonly currency: 'USD';
  /** Which of the two is charged: what `totalUsd` is. */
  readonly type: CostType;
  readonly totalUsd: number;
  /** Absent where nobody measured, as with remote providers. */
  readonly infrastructureUsd?: number | undefined;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Set when no source prices the model: what was assumed instead. */
  readonly assumption?: string | undefined;
}

export interface CostEstimate extends Cost {
  /** True when the actual cost cannot exceed it, given that the prompt's tokens were counted exactly. */
  readonly isUpperBound: boolean;
}

/** Embedding input may have a price of its own. */
export type PricedOperation = 'completion' | 'chat' | 'embedding';

/** USD of what is read. */
export function inputCost(price: ModelPrice, tokens: number, operation: PricedOperation): number {
  requireAmount('cost', 'inputTokens', tokens);
  const perMillion =
    operation === 'embedding' && price.embeddingCostPerMillion !== undefined
      ? price.embeddingCostPerMillion
      : price.inputCostPerMillion;
  return (tokens * perMillion) / 1e6;
}

/** USD of what is written. */
export function outputCost(price: ModelPrice, tokens: number): number {
  requireAmount('cost', 'outputTokens', tokens);
  return (tokens * price.outputCostPerMillion) / 1e6;
}

/**
 * Together's estimate from a total of tokens, `ratio` of which are input. Unlike there, nothing is cut to whole tokens
 * or rounded, so that one token does not cost zero.
 */
export function ratioCost(price: ModelPrice, tokens: number, ratio = 0.3): TokenCost {
  const expected = rule.number(0, 1)(ratio);
  if (expected) throw invalidOption('cost', 'inputOutputRatio', ratio, expected);
  const inputTokens = tokens * ratio;
  const inputUsd = inputCost(price, inputTokens, 'completion');
  const outputUsd = outputCost(price, tokens - inputTokens);
  return { inputUsd, outputUsd, tokenUsd: inputUsd + outputUsd };
}

/** USD for (training * epochs + validation) tokens; four times the input price where the provider names none. */
export function fineTuningCost(
  price: ModelPrice,
  tokens: { readonly training: number; readonly validation?: number; readonly epochs?: number },
): number {
  const { training, validation = 0, epochs = 1 } = tokens;
  for (const [name, value] of Object.entries({ training, validation, epochs }))
    requireAmount('fine-tuning cost', name, value);
  const rate = price.fineTuningCostPerMillion ?? 4 * price.inputCostPerMillion;
  return ((training * epochs + validation) * rate) / 1e6;
}
