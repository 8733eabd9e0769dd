// The state of budgets, as data and as text for a terminal.
import { type BudgetScope, budgetName } from './budget-definition.js';
import type { Alignment, BudgetWindow, Period } from './budget-window.js';
import { showUsd } from './usd.js';

export interface PeriodStatus {
  readonly period: Period;
  readonly alignment: Alignment;
  readonly limitUsd: number;
  readonly currentUsageUsd: number;
  readonly reservedUsd: number;
  readonly remainingUsd: number;
  readonly usagePercentage: number;
  readonly requestCount: number;
  /** ISO 8601. */
  readonly periodStart: string;
}

export interface BudgetStatus {
  readonly budgets: readonly {
    readonly scope: BudgetScope;
    readonly value: string | undefined;
    readonly periods: readonly PeriodStatus[];
  }[];
  /** Since construction, plus what was restored. */
  readonly totalCostUsd: number;
  readonly totalRequests: number;
  readonly avgCostPerRequestUsd: number;
}

const CELLS = 40;
const RED_FROM_PERCENT = 90;
const AMBER_FROM_PERCENT = 75;

export function periodStatus(window: BudgetWindow): PeriodStatus {
  return {
    period: window.period,
    alignment: window.alignment,
    limitUsd: window.limitUsd,
    currentUsageUsd: window.usedUsd,
    reservedUsd: window.heldUsd,
    remainingUsd: window.remainingUsd,
    usagePercentage: window.utilization * 100,
    requestCount: window.requests,
    periodStart: new Date(window.startMs).toISOString(),
  };
}

/** One line per period: a bar of 40 cells, red from 90 % on, amber from 75 % on. `color` writes ANSI sequences. */
export function budgetReport(status: BudgetStatus, color = false): string {
  const lines: string[] = [];
  for (const { scope, value, periods } of status.budgets) {
    lines.push(`Budget of ${budgetName(scope, value)}`);
    for (const period of periods) lines.push(`  ${periodLine(period, color)}`);
  }
  const { totalCostUsd, totalRequests, avgCostPerRequestUsd } = status;
  lines.push(
    `Total ${showUsd(totalCostUsd)} in ${totalRequests} requests, ${showUsd(avgCostPerRequestUsd)} each`,
  );
  return lines.join('\n');
}

function periodLine(period: PeriodStatus, color: boolean): string {
  const { usagePercentage, currentUsageUsd, limitUsd, requestCount } = period;
  const filled = Math.min(CELLS, Math.floor((usagePercentage / 100) * CELLS + 1e-9));
  const bar = '█'.repeat(filled) + '░'.repeat(CELLS - filled);
  const percent = `${usagePercentage.toFixed(1).padStart(5)} %`;
  const sums = `${showUsd(currentUsageUsd)} of ${limitUsd === Number.POSITIVE_INFINITY ? 'any amount' : showUsd(limitUsd)}`;
  return `${period.period.padEnd(8)}${painted(bar, usagePercentage, color)} ${percent}  ${sums}, ${requestCount} requests`;
}

function painted(bar: string, percent: number, color: boolean): string {
  if (!color) return bar;
  const code = percent >= RED_FROM_PERCENT ? 31 : percent >= AMBER_FROM_PERCENT ? 33 : 32;
  return `\u001b[${code}m${bar}\u001b[39m`;
}
