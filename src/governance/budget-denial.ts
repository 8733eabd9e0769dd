// Whether budgets have room for an operation, and if not, which has none and why.
import { BudgetExceededError } from '../errors.js';
import type { Budget } from './budget-book.js';
import { type BudgetScope, budgetName } from './budget-definition.js';
import type { BudgetWindow, Period } from './budget-window.js';
import { exceeds, reaches, showUsd } from './usd.js';

export interface BudgetPlace {
  readonly scope: BudgetScope;
  readonly value: string | undefined;
  readonly period: Period;
}

/** Why a budget has no room. */
export interface BudgetDenial extends BudgetPlace {
  readonly granted: false;
  /** EXCEEDED: it is used up (in strict mode, nearly). RESERVATION_FAILED: this operation may not fit. */
  readonly reasonCode: 'BUDGET_EXCEEDED' | 'BUDGET_RESERVATION_FAILED';
  readonly reason: string;
  readonly limitUsd: number;
  readonly usedUsd: number;
  readonly heldUsd: number;
  readonly operationUsd: number;
}

/** Of the first budget without room; it counts as used up from `strictAt` of its limit on. */
export function denialOf(
  budgets: readonly Budget[],
  amountUsd: number,
  strictAt: number,
): BudgetDenial | undefined {
  for (const budget of budgets) {
    for (const window of budget.windows) {
      const usedUp = reaches(window.usedUsd, window.limitUsd * strictAt);
      if (usedUp || exceeds(window.usedUsd + window.heldUsd + amountUsd, window.limitUsd)) {
        return denied(budget, window, amountUsd, usedUp);
      }
    }
  }
  return undefined;
}

/** The error of a denial, where the mode refuses the call. */
export function budgetExceeded(denial: BudgetDenial): BudgetExceededError {
  return new BudgetExceededError('INHOUSE_BUDGET_EXCEEDED', denial.reason, { details: { ...denial } });
}

function denied(budget: Budget, window: BudgetWindow, operationUsd: number, usedUp: boolean): BudgetDenial {
  const { scope, value } = budget;
  const { period, limitUsd, usedUsd, heldUsd } = window;
  const projected = showUsd(usedUsd + heldUsd + operationUsd);
  const facts = `used ${showUsd(usedUsd)}, reserved ${showUsd(heldUsd)}, this operation ${showUsd(operationUsd)}`;
  const reason = usedUp
    ? `The ${period} budget of ${budgetName(scope, value)} is used up: limit ${showUsd(limitUsd)}, ${facts}.`
    : `The ${period} budget of ${budgetName(scope, value)} would be exceeded: projected ${projected}, ` +
      `limit ${showUsd(limitUsd)}, ${facts}.`;
  const reasonCode = usedUp ? 'BUDGET_EXCEEDED' : 'BUDGET_RESERVATION_FAILED';
  return {
    granted: false,
    reasonCode,
    reason,
    scope,
    value,
    period,
    limitUsd,
    usedUsd,
    heldUsd,
    operationUsd,
  };
}
