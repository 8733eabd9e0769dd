// Customers that share one governed provider: what each has for itself. Their costs are in CostTotals, their money in
// BudgetManager; here is only what was configured.
import { checkOptions, invalidOption, rule } from '../options.js';
import { type BudgetDefinition, checkBudget } from './budget-definition.js';

/** What is not given is as for everybody. */
export interface TenantSettings {
  /** Mode of its calls. */
  readonly policy?: 'advisory' | 'enforced' | 'strict' | undefined;
  readonly limitsUsd?: BudgetDefinition['limitsUsd'] | undefined;
  readonly alignment?: BudgetDefinition['alignment'];
  readonly costCenter?: string | undefined;
}

const RULES = {
  policy: rule.oneOf('advisory', 'enforced', 'strict'),
  limitsUsd: rule.object,
  alignment: rule.oneOf('rolling', 'calendar'),
  costCenter: rule.text,
};

/** `caller` begins the message. @throws InvalidInputError for settings that cannot be meant */
export function checkTenants(tenants: Readonly<Record<string, TenantSettings>>, caller: string): void {
  for (const [customer, settings] of Object.entries(tenants)) {
    const expected = rule.object(settings);
    if (expected) throw invalidOption(caller, customer, settings, expected);
    checkOptions(`${caller}.${customer}`, settings, RULES);
    const { limitsUsd, alignment } = settings;
    if (limitsUsd) checkBudget({ scope: 'customer', limitsUsd, alignment }, `${caller}.${customer}`);
  }
}

/** Settings by customer id. */
export class Tenants {
  readonly #settings: ReadonlyMap<string, TenantSettings>;

  constructor(settings: Readonly<Record<string, TenantSettings>> = {}) {
    this.#settings = new Map(Object.entries(settings));
  }

  settings(customer: string | undefined): TenantSettings | undefined {
    return customer === undefined ? undefined : this.#settings.get(customer);
  }

  /** The tenants' own budgets, for `BudgetManager`. */
  budgets(): readonly BudgetDefinition[] {
    const budgets: BudgetDefinition[] = [];
    for (const [value, { limitsUsd, alignment }] of this.#settings) {
      if (limitsUsd) budgets.push({ scope: 'customer', value, limitsUsd, alignment });
    }
    return budgets;
  }
}
