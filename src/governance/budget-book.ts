// Which budgets there are, and which of them a call touches. Budgets of single customers and the like are made when
// they are first touched.
import { InvalidInputError } from '../errors.js';
import {
  type BudgetDefinition,
  type BudgetScope,
  type BudgetScopes,
  budgetName,
  CHARGED,
  type Charged,
  checkBudget,
} from './budget-definition.js';
import { BudgetWindow, PERIODS } from './budget-window.js';
import type { Clock } from './clock.js';

/** Shortest period first. */
export interface Budget {
  readonly definition: BudgetDefinition;
  readonly scope: BudgetScope;
  readonly value: string | undefined;
  readonly windows: readonly BudgetWindow[];
}

/** So many values of one scope are kept without looking whether they are in use. */
const SWEEP_AT = 10_000;

export class BudgetBook {
  readonly #clock: Clock;
  /** One or none. */
  readonly #overall: Budget[] = [];
  readonly #byValue = new Map<Charged, Map<string, Budget>>();
  readonly #forEach = new Map<Charged, BudgetDefinition>();
  /** The scopes that any budget is for. */
  readonly #scopes: readonly Charged[];
  #sweepAt = SWEEP_AT;

  /** @throws InvalidInputError for a definition that `checkBudget` refuses, or two of one scope and value */
  constructor(definitions: readonly BudgetDefinition[], clock: Clock) {
    this.#clock = clock;
    for (const definition of definitions) this.#define(definition);
    this.#scopes = CHARGED.filter((scope) => this.#byValue.has(scope));
  }

  find(scope: BudgetScope, value: string | undefined): Budget | undefined {
    if (scope === 'all') return this.#overall[0];
    if (value === undefined) return undefined;
    const values = this.#byValue.get(scope);
    const known = values?.get(value);
    if (known || !values) return known;
    const definition = this.#forEach.get(scope);
    if (!definition) return undefined;
    if (values.size >= this.#sweepAt) this.#sweep(values, definition);
    const budget = this.#budget(definition, value);
    values.set(value, budget);
    return budget;
  }

  touchedBy(scopes: BudgetScopes): readonly Budget[] {
    let budgets = this.#overall;
    for (const scope of this.#scopes) {
      const budget = this.find(scope, scopes[scope]);
      if (budget) budgets = budgets.concat(budget); // not pushed, which reserves room for many more
    }
    return budgets;
  }

  all(): readonly Budget[] {
    return [...this.#overall, ...[...this.#byValue.values()].flatMap((values) => [...values.values()])];
  }

  #define(definition: BudgetDefinition): void {
    checkBudget(definition);
    const { scope = 'all', value } = definition;
    if (scope === 'all') {
      if (this.#overall.length > 0) throw definedTwice(scope, undefined);
      this.#overall.push(this.#budget(definition, undefined));
      return;
    }
    const values = this.#byValue.get(scope) ?? new Map<string, Budget>();
    this.#byValue.set(scope, values);
    if (value === undefined ? this.#forEach.has(scope) : values.has(value)) throw definedTwice(scope, value);
    if (value === undefined) this.#forEach.set(scope, definition);
    else values.set(value, this.#budget(definition, value));
  }

  #budget(definition: BudgetDefinition, value: string | undefined): Budget {
    const { scope = 'all', alignment = 'rolling', limitsUsd } = definition;
    const now = this.#clock.now();
    const windows: BudgetWindow[] = [];
    for (const period of PERIODS) {
      const limit = limitsUsd[period];
      if (limit !== undefined) windows.push(new BudgetWindow(period, limit, alignment, now));
    }
    return { definition, scope, value, windows };
  }

  /** Forgets what a template made and whose windows are all over: it would begin anew anyway. Ids may be without end. */
  #sweep(values: Map<string, Budget>, template: BudgetDefinition): void {
    const now = this.#clock.now();
    for (const [value, { definition, windows }] of values) {
      if (definition === template && windows.every((window) => window.isOver(now))) values.delete(value);
    }
    this.#sweepAt = Math.max(SWEEP_AT, 2 * values.size);
  }
}

function definedTwice(scope: BudgetScope, value: string | undefined): InvalidInputError {
  const message = `budgets: two budgets for ${budgetName(scope, value)}; put their limits into one.`;
  return new InvalidInputError('INHOUSE_INVALID_OPTION', message);
}
