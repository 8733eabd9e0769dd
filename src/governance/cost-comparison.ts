// Providers side by side: which one is dear, and what moving a workload to another would change.
import type { CostTotalsSummary, Share } from './cost-totals.js';
import { requireUsd } from './usd.js';

export interface CostBreakdown {
  readonly avgCostPerOperationUsd: number;
  readonly avgCostPerTokenUsd: number;
  /** `provider/model` by cost per token; undefined while nothing was counted. */
  readonly mostExpensive: string | undefined;
  readonly leastExpensive: string | undefined;
  /** Percent of the total by provider. */
  readonly distribution: Readonly<Record<string, number>>;
  readonly recommendations: readonly string[];
}

/** A model this many times dearer per token than the cheapest one is worth a recommendation. */
const NOTABLE_RATIO = 2;

export function breakdown(summary: CostTotalsSummary): CostBreakdown {
  const ranked = Object.entries(summary.byModel).sort(([, a], [, b]) => perToken(a) - perToken(b));
  const [cheapest, dearest] = [ranked[0], ranked.at(-1)];
  const distribution: Record<string, number> = Object.create(null);
  for (const [provider, share] of Object.entries(summary.byProvider)) {
    distribution[provider] = summary.totalCostUsd === 0 ? 0 : (share.costUsd / summary.totalCostUsd) * 100;
  }
  const recommendations: string[] = [];
  if (cheapest && dearest && perToken(dearest[1]) > NOTABLE_RATIO * perToken(cheapest[1])) {
    recommendations.push(`Move what ${cheapest[0]} does well enough from ${dearest[0]} to it.`);
  }
  return {
    avgCostPerOperationUsd: summary.avgCostPerOperationUsd,
    avgCostPerTokenUsd: summary.avgCostPerTokenUsd,
    mostExpensive: dearest?.[0],
    leastExpensive: cheapest?.[0],
    distribution,
    recommendations,
  };
}

export interface ProviderCost {
  readonly provider: string;
  readonly costUsd: number;
  /** To the cheapest one; Infinity where that one is free and this one is not. */
  readonly ratioToCheapest: number;
}

/** Cheapest first. @throws InvalidInputError for a cost that is negative or not finite */
export function compareProviderCosts(costsUsd: Readonly<Record<string, number>>): readonly ProviderCost[] {
  const ranked = Object.entries(costsUsd).sort(([, a], [, b]) => a - b);
  for (const [provider, costUsd] of ranked) requireUsd('provider comparison', provider, costUsd);
  const least = ranked[0]?.[1] ?? 0;
  return ranked.map(([provider, costUsd]) => ({
    provider,
    costUsd,
    ratioToCheapest: costUsd === least ? 1 : costUsd / least,
  }));
}

export interface MigrationEstimate {
  readonly currentCostUsd: number;
  readonly estimatedCostUsd: number;
  /** Estimated less current: negative where moving saves. */
  readonly differenceUsd: number;
  /** Of the current cost; 0 where that is 0. */
  readonly differencePercent: number;
  readonly savingsUsd: number;
  /** 'migrate' from 20 % saved on, 'evaluate' otherwise. */
  readonly recommendation: 'migrate' | 'evaluate';
}

const WORTH_MIGRATING_PERCENT = -20;

/** What the same workload costs there. @throws InvalidInputError for a cost that is negative or not finite */
export function estimateMigration(currentCostUsd: number, estimatedCostUsd: number): MigrationEstimate {
  requireUsd('migration', 'currentCostUsd', currentCostUsd);
  requireUsd('migration', 'estimatedCostUsd', estimatedCostUsd);
  const differenceUsd = estimatedCostUsd - currentCostUsd;
  const differencePercent = currentCostUsd === 0 ? 0 : (differenceUsd / currentCostUsd) * 100;
  return {
    currentCostUsd,
    estimatedCostUsd,
    differenceUsd,
    differencePercent,
    savingsUsd: Math.max(0, -differenceUsd),
    recommendation: differencePercent <= WORTH_MIGRATING_PERCENT ? 'migrate' : 'evaluate',
  };
}

function perToken({ costUsd, inputTokens, outputTokens }: Share): number {
  const tokens = inputTokens + outputTokens;
  return tokens === 0 ? 0 : costUsd / tokens;
}
