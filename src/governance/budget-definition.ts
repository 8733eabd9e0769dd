// What budgets there are: limits per period for everything, or for a provider, team, project or customer.
import { InvalidInputError } from '../errors.js';
import { checkOptions, invalidOption, rule } from '../options.js';
import { type Alignment, PERIODS, type Period } from './budget-window.js';

/** Whom a call can be charged to, besides everybody. */
export const CHARGED = ['provider', 'team', 'project', 'customer'] as const;
export type Charged = (typeof CHARGED)[number];
export type BudgetScope = 'all' | Charged;

/** Whom one call is charged to. What is absent touches no budget of that scope. */
export type BudgetScopes = { readonly [Scope in Charged]?: string | undefined };

export interface BudgetDefinition {
  /** What shares the budget. Default 'all': every call. */
  readonly scope?: BudgetScope | undefined;
  /** The team, project, ... it is for. Without one, each that has no budget of its own gets this one to itself. */
  readonly value?: string | undefined;
  /** Default 'rolling'. */
  readonly alignment?: Alignment | undefined;
  /** Above 0, Infinity to count without limiting. Periods without a limit are not tracked. */
  readonly limitsUsd: { readonly [P in Period]?: number | undefined };
}

const RULES = {
  scope: rule.oneOf('all', ...CHARGED),
  value: rule.text,
  alignment: rule.oneOf('rolling', 'calendar'),
  limitsUsd: rule.object,
};

/**
 * `caller` begins the message, such as "govern: budgets[0]".
 * @throws InvalidInputError for an unknown name, scope or period, or a limit that is not positive
 */
export function checkBudget(definition: BudgetDefinition, caller = 'budgets'): void {
  checkOptions(caller, definition, RULES);
  const { scope = 'all', value, limitsUsd } = definition;
  if (scope === 'all' && value !== undefined) {
    throw invalidOption(caller, 'value', value, 'left out, or its scope be given');
  }
  if (limitsUsd === undefined) throw invalidOption(caller, 'limitsUsd', limitsUsd, 'limits by period');
  for (const [period, limit] of Object.entries(limitsUsd)) {
    if (!PERIODS.includes(period as Period)) {
      throw invalidOption(caller, 'period', period, `one of ${PERIODS.join(', ')}`);
    }
    if (limit !== undefined && !(typeof limit === 'number' && limit > 0)) {
      throw new InvalidInputError(
        'INHOUSE_INVALID_OPTION',
        `Budget limit must be positive: the ${period} limit of ${budgetName(scope)} is ${limit}.`,
        { details: { option: period, value: limit } },
      );
    }
  }
}

/** For messages: `all calls`, `team "search"`. */
export function budgetName(scope: BudgetScope, value?: string): string {
  if (scope === 'all') return 'all calls';
  return value === undefined ? `each ${scope}` : `${scope} ${JSON.stringify(value)}`;
}
