// Books what a call has spent: in its budgets, the ledger, the totals and its session, which agree because nothing runs
// between them.
import type { BudgetAlert, Reservation } from './budget.js';
import type { BudgetScopes } from './budget-definition.js';
import type { GovernanceParts } from './parts.js';
import type { PricedOperation } from './pricing/cost.js';
import { showUsd } from './usd.js';

export interface Settlement {
  /** Unique for ever: unlike a request's id never chosen by a caller. */
  readonly operationId: string;
  readonly operation: PricedOperation;
  readonly reservation: Reservation;
  readonly scopes: BudgetScopes;
  readonly sessionId: string | undefined;
  /** Who served it: behind a router, another than was called. */
  readonly provider: string;
  readonly model: string;
  readonly costUsd: number;
  readonly infrastructureUsd: number | undefined;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly durationMs: number;
  /** Undefined where the call failed. */
  readonly result: unknown;
}

/** Share of the day's limit above which every cost is worth a warning. */
const NEARLY_USED = 0.8;

/** Returns the alerts that budgets gave. Never throws: amounts and counts were checked where they came in. */
export function settle(parts: GovernanceParts, spent: Settlement): readonly BudgetAlert[] {
  const { budgets, ledger, totals, sessions, clock } = parts;
  const { operationId, operation, provider, model, costUsd, infrastructureUsd, result } = spent;
  const { promptTokens, completionTokens, scopes, sessionId, durationMs } = spent;
  const success = result !== undefined;
  const timeMs = clock.now();
  const alerts = budgets.settle(spent.reservation, costUsd);
  ledger.append({
    type: 'cost',
    operationId,
    timeMs,
    costUsd,
    infrastructureUsd,
    provider,
    model,
    operation,
    promptTokens,
    completionTokens,
    durationMs,
    success,
    scopes,
  });
  totals.add({
    provider,
    model,
    operationType: operation,
    costUsd,
    infrastructureUsd,
    inputTokens: promptTokens,
    outputTokens: completionTokens,
    timeMs,
    durationMs,
    customer: scopes.customer,
    success,
  });
  if (sessionId !== undefined) {
    sessions.record(sessionId, { costUsd, model, totalTokens: promptTokens + completionTokens, result });
  }
  warnOfTheDay(parts);
  return alerts;
}

function warnOfTheDay({ budgets, costAlerts, log }: GovernanceParts): void {
  const day = costAlerts ? budgets.window('daily') : undefined;
  if (day === undefined || day.utilization <= NEARLY_USED) return;
  log.warn('Daily budget nearly used', () => ({
    usagePercent: day.utilization * 100,
    used: showUsd(day.usedUsd),
    limit: showUsd(day.limitUsd),
  }));
}
