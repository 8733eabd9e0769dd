// Books what a call has spent: in its budgets, the ledger, the totals and its session, which agree because nothing runs
// between them.
import type { BudgetAlert, Reservation } from './budget.js';
import type { CostEntry } from './ledger.js';
import type { GovernanceParts } from './parts.js';
import { showUsd } from './usd.js';

export interface Settlement {
  /** Its operation's id is unlike a request's never chosen by a caller. */
  readonly entry: CostEntry;
  readonly reservation: Reservation;
  readonly sessionId: string | undefined;
  /** Undefined where the call failed. */
  readonly result: unknown;
}

/** Share of the day's limit above which every cost is worth a warning. */
const NEARLY_USED = 0.8;

/** Returns the alerts that budgets gave. Never throws: amounts and counts were checked where they came in. */
export function settle(parts: GovernanceParts, spent: Settlement): readonly BudgetAlert[] {
  const { budgets, ledger, totals, sessions } = parts;
  const { entry, sessionId, result } = spent;
  const { model, costUsd, promptTokens, completionTokens } = entry;
  const alerts = budgets.settle(spent.reservation, costUsd);
  ledger.append(entry);
  totals.addEntry(entry);
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
