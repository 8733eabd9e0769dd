// The most a call may cost, before it runs: at the provider, or at the dearest of those that a provider over others may
// ask.
import { type CompletionRequest, isEmbed, type Provider } from '../providers/provider.js';
import { contentOf, type GovernedRequest } from './call-facts.js';
import type { PricingCatalogue } from './pricing/catalogue.js';
import type { CostEstimate, PricedOperation } from './pricing/cost.js';

/** In English, about. */
const CHARACTERS_PER_TOKEN = 4;

/** At one provider. */
export function estimateAt(
  provider: Provider,
  request: GovernedRequest,
  operation: PricedOperation,
  pricing: PricingCatalogue,
): CostEstimate {
  const counted = countTokens(provider, request);
  const estimate = pricing.estimate({
    model: request.model,
    provider: provider.name,
    kind: provider.kind,
    promptTokens: counted ?? roughTokens(request),
    maxTokens: isEmbed(request) ? 0 : request.maxTokens,
    contextLength: contextLength(provider, request.model),
    choices: isEmbed(request) ? 1 : request.n,
    operation,
  });
  const isExact = counted !== undefined && provider.capabilities.exactTokenCounts;
  return isExact || !estimate.isUpperBound ? estimate : { ...estimate, isUpperBound: false };
}

/** Whoever serves; known only as well as the worst known of them. At least one. */
export function dearest(estimates: readonly CostEstimate[]): CostEstimate {
  return {
    ...estimates.reduce((most, other) => (other.totalUsd > most.totalUsd ? other : most)),
    isUpperBound: estimates.every(({ isUpperBound }) => isUpperBound),
    assumption: estimates.find(({ assumption }) => assumption !== undefined)?.assumption,
  };
}

/** Undefined where the provider cannot count: what is wrong with the request it will say when it is asked to serve it. */
function countTokens(provider: Provider, request: GovernedRequest): number | undefined {
  try {
    const tokens = provider.countTokens(request);
    return tokens >= 0 && Number.isFinite(tokens) ? tokens : undefined;
  } catch {
    return undefined;
  }
}

function contextLength(provider: Provider, model: string): number | undefined {
  try {
    const positions = provider.contextLength?.(model);
    return positions !== undefined && positions >= 0 && Number.isFinite(positions) ? positions : undefined;
  } catch {
    return undefined;
  }
}

function roughTokens(request: GovernedRequest): number {
  const text = contentOf(request);
  if (text !== undefined) return Math.ceil(text.length / CHARACTERS_PER_TOKEN);
  return (request as CompletionRequest).prompt.length;
}
