// The cost summary of a governed provider: its totals beside its budgets, in the words of all the systems it stands in
// for. Pure: what is true at this moment, put together.
import type { BudgetStatus, PeriodStatus } from './budget-report.js';
import type { Period } from './budget-window.js';
import type { CostTotalsSummary, Share } from './cost-totals.js';

export interface SummaryInput {
  readonly totals: CostTotalsSummary;
  readonly budgets: BudgetStatus;
  readonly activeSessions: number;
  readonly governanceEnabled: boolean;
  readonly governancePolicy: string;
  readonly team: string;
  readonly project: string;
  readonly environment: string;
  /** Of the totals, those that were restored from a ledger. */
  readonly restoredOperations: number;
  /** Since the provider was governed. */
  readonly elapsedMs: number;
  readonly memoryUsageBytes: number;
}

export interface CostSummary extends CostTotalsSummary {
  readonly operationsCount: number;
  /** USD in the current window; the whole total where no budget counts that period. */
  readonly dailyCosts: number;
  readonly monthlyCosts: number;
  /** USD; undefined without a limit. */
  readonly dailyBudgetLimit: number | undefined;
  readonly monthlyBudgetLimit: number | undefined;
  /** Percent; 0 without a limit. */
  readonly dailyBudgetUtilization: number;
  readonly monthlyBudgetUtilization: number;
  readonly costByProvider: Readonly<Record<string, number>>;
  /** By `provider/model`. */
  readonly costByModel: Readonly<Record<string, number>>;
  readonly costByCustomer: Readonly<Record<string, number>>;
  readonly governanceEnabled: boolean;
  readonly governancePolicy: string;
  readonly activeSessions: number;
  readonly team: string;
  readonly project: string;
  readonly environment: string;
  readonly operationsPerSecond: number;
  readonly memoryUsageMb: number;
  /** What to do about a budget that runs out. */
  readonly advice: readonly string[];
}

export function costSummary(input: SummaryInput): CostSummary {
  const { totals, budgets, restoredOperations, elapsedMs, memoryUsageBytes } = input;
  const overall = budgets.budgets.find(({ scope }) => scope === 'all')?.periods ?? [];
  const daily = periodOf(overall, 'daily');
  const monthly = periodOf(overall, 'monthly');
  return {
    ...totals,
    operationsCount: totals.totalOperations,
    dailyCosts: daily?.currentUsageUsd ?? totals.totalCostUsd,
    monthlyCosts: monthly?.currentUsageUsd ?? totals.totalCostUsd,
    dailyBudgetLimit: limitOf(daily),
    monthlyBudgetLimit: limitOf(monthly),
    dailyBudgetUtilization: daily?.usagePercentage ?? 0,
    monthlyBudgetUtilization: monthly?.usagePercentage ?? 0,
    costByProvider: costs(totals.byProvider),
    costByModel: costs(totals.byModel),
    costByCustomer: costs(totals.byCustomer),
    governanceEnabled: input.governanceEnabled,
    governancePolicy: input.governancePolicy,
    activeSessions: input.activeSessions,
    team: input.team,
    project: input.project,
    environment: input.environment,
    operationsPerSecond:
      elapsedMs > 0 ? (totals.totalOperations - restoredOperations) / (elapsedMs / 1000) : 0,
    memoryUsageMb: memoryUsageBytes / 1e6,
    advice: overall.flatMap(({ period, usagePercentage }) => budgetAdvice(period, usagePercentage)),
  };
}

/** What to do at this utilization: from above 80 % spend less per call, from above 90 % the limit is in question. */
export function budgetAdvice(period: Period, usagePercent: number): readonly string[] {
  if (!(usagePercent > 80)) return [];
  const used = `${usagePercent.toFixed(1)} % of the ${period} budget is used`;
  const advice = [`${used}: take a cheaper model, or lower maxTokens.`];
  if (usagePercent > 90) advice.push(`${used}: raise the ${period} limit, or expect refused calls.`);
  return advice;
}

function periodOf(periods: readonly PeriodStatus[], wanted: Period): PeriodStatus | undefined {
  return periods.find(({ period }) => period === wanted);
}

function limitOf(period: PeriodStatus | undefined): number | undefined {
  return period && Number.isFinite(period.limitUsd) ? period.limitUsd : undefined;
}

function costs(shares: Readonly<Record<string, Share>>): Record<string, number> {
  const result: Record<string, number> = Object.create(null);
  for (const [name, { costUsd }] of Object.entries(shares)) result[name] = costUsd;
  return result;
}
