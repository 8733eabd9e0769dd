// Budgets of everything, a provider, a team, a project or a customer: reserve before the work, settle after it.
// Pure memory: no I/O, no timer. Between looking at a budget and holding its money nothing else can run, so calls in
// parallel never share the last cent. What a mode makes of a denial (warn or refuse) is the pipeline's.
import { invalidOption } from '../options.js';
import { type Budget, BudgetBook } from './budget-book.js';
import {
  type BudgetDefinition,
  type BudgetScope,
  type BudgetScopes,
  budgetName,
} from './budget-definition.js';
import { type BudgetDenial, type BudgetPlace, denialOf } from './budget-denial.js';
import { type BudgetStatus, periodStatus } from './budget-report.js';
import type { BudgetWindow, Period } from './budget-window.js';
import { type OnFault, tell } from './callbacks.js';
import type { Clock } from './clock.js';
import type { Ledger, LedgerEntry, WindowEntry } from './ledger.js';
import { requireUsd, UsdSum } from './usd.js';

export interface BudgetOptions {
  readonly budgets: readonly BudgetDefinition[];
  readonly clock: Clock;
  /** Fractions of a limit, each reported once per window. Default 0.5, 0.75, 0.9, 1. */
  readonly alertThresholds?: readonly number[] | undefined;
  readonly onAlert?: ((alert: BudgetAlert) => unknown) | undefined;
  /** Told of what `onAlert` throws or rejects with; that never reaches the call. */
  readonly onFault?: OnFault | undefined;
  /** Where the beginnings of windows are written, for `restore`. */
  readonly ledger?: Ledger | undefined;
}

export interface BudgetAlert extends BudgetPlace {
  /** The fraction that was reached. */
  readonly threshold: number;
  readonly usagePercent: number;
  readonly usedUsd: number;
  readonly limitUsd: number;
}

/** Money held in every budget that a call touches, until it is settled or released. */
export interface Reservation {
  readonly granted: true;
  readonly amountUsd: number;
  /** With `force`: the denial that was overridden. */
  readonly overrun: BudgetDenial | undefined;
}

export interface ReserveOptions {
  /** Deny from this utilization on; strict mode takes 0.95. Default 1. */
  readonly strictAt?: number | undefined;
  /** Hold the money even where a budget has no room for it, as advisory mode does. */
  readonly force?: boolean | undefined;
}

const NO_ALERTS: readonly BudgetAlert[] = Object.freeze([]);

class Held implements Reservation {
  readonly granted = true;
  settled = false;
  constructor(
    readonly amountUsd: number,
    readonly overrun: BudgetDenial | undefined,
    readonly budgets: readonly Budget[],
  ) {}
}

export class BudgetManager {
  onAlert: ((alert: BudgetAlert) => unknown) | undefined;
  readonly #clock: Clock;
  readonly #ledger: Ledger | undefined;
  readonly #onFault: OnFault;
  readonly #thresholds: readonly number[];
  readonly #book: BudgetBook;
  readonly #total = new UsdSum();
  #requests = 0;

  /** @throws InvalidInputError for a limit or threshold that is not positive, or two budgets of one scope and value */
  constructor(options: BudgetOptions) {
    this.#clock = options.clock;
    this.#ledger = options.ledger;
    this.onAlert = options.onAlert;
    this.#onFault = options.onFault ?? (() => {});
    this.#thresholds = checkedThresholds(options.alertThresholds ?? [0.5, 0.75, 0.9, 1]);
    this.#book = new BudgetBook(options.budgets, options.clock);
  }

  /** Since construction, plus what was restored. */
  get totalCostUsd(): number {
    return this.#total.value;
  }

  /** Whether an operation of this cost fits every budget it touches; changes nothing. */
  check(scopes: BudgetScopes, amountUsd: number, strictAt = 1): BudgetDenial | undefined {
    requireUsd('budget check', 'amountUsd', amountUsd);
    return this.#denial(this.#book.touchedBy(scopes), amountUsd, strictAt);
  }

  /**
   * Holds `amountUsd`, an upper bound of the cost, in every budget that the call touches, or in none.
   * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for an amount that is negative or not finite
   */
  reserve(scopes: BudgetScopes, amountUsd: number, options?: ReserveOptions): Reservation | BudgetDenial {
    requireUsd('budget reservation', 'amountUsd', amountUsd);
    const budgets = this.#book.touchedBy(scopes);
    const denial = this.#denial(budgets, amountUsd, options?.strictAt ?? 1);
    if (denial && !options?.force) return denial;
    for (const budget of budgets) for (const window of budget.windows) window.hold(amountUsd);
    return new Held(amountUsd, denial, budgets);
  }

  /**
   * Turns what was held into what was spent; once, later calls do nothing. The ledger's entry of the operation belongs
   * right after it. Returns the alerts that it gave.
   * @throws InvalidInputError for a cost that is negative or not finite; the amount held counts as spent then
   */
  settle(reservation: Reservation, actualUsd: number): readonly BudgetAlert[] {
    const held = reservation as Held;
    if (held.settled) return NO_ALERTS;
    this.#letGo(held);
    const known = actualUsd >= 0 && actualUsd < Number.POSITIVE_INFINITY;
    const alerts = this.#spend(held.budgets, known ? actualUsd : held.amountUsd);
    if (!known) requireUsd('budget settlement', 'actualUsd', actualUsd);
    return alerts;
  }

  /** Gives back what was held, for a call that cost nothing; once, and not after `settle`. */
  release(reservation: Reservation): void {
    if (!(reservation as Held).settled) this.#letGo(reservation as Held);
  }

  /** Counts a cost for which nothing was reserved. */
  record(scopes: BudgetScopes, amountUsd: number): void {
    requireUsd('budget record', 'amountUsd', amountUsd);
    const budgets = this.#book.touchedBy(scopes);
    this.#roll(budgets);
    this.#spend(budgets, amountUsd);
  }

  /** As it stands since the last call that touched it; undefined where there is none. */
  window(period: Period, scope: BudgetScope = 'all', value?: string): BudgetWindow | undefined {
    return this.#book.find(scope, value)?.windows.find((each) => each.period === period);
  }

  /** Used share of the budget of all calls, in its fullest window; as it stands since the last call. */
  get utilization(): number {
    const windows = this.#book.find('all', undefined)?.windows ?? [];
    return windows.reduce((fullest, { utilization }) => Math.max(fullest, utilization), 0);
  }

  /** Begins the window of `period` anew: usage, count and alerts. @throws InvalidInputError where there is none */
  reset(period: Period, scope: BudgetScope = 'all', value?: string): void {
    const budget = this.#book.find(scope, value);
    const window = this.window(period, scope, value);
    if (!budget || !window) {
      throw invalidOption(
        'budget reset',
        'period',
        period,
        `a period with a limit for ${budgetName(scope, value)}`,
      );
    }
    window.restart(this.#clock.now());
    this.#mark(budget, window);
  }

  /** All budgets that exist by now, or those that a call of `scopes` touches. */
  status(scopes?: BudgetScopes): BudgetStatus {
    const budgets = scopes ? this.#book.touchedBy(scopes) : this.#book.all();
    this.#roll(budgets);
    return {
      budgets: budgets.map(({ scope, value, windows }) => ({
        scope,
        value,
        periods: windows.map(periodStatus),
      })),
      totalCostUsd: this.#total.value,
      totalRequests: this.#requests,
      avgCostPerRequestUsd: this.#requests === 0 ? 0 : this.#total.value / this.#requests,
    };
  }

  /**
   * Counts what a ledger remembers, before the first call. Alerts that those costs gave are not given again.
   * `entries` are as `Ledger.load` returns them.
   */
  restore(entries: readonly LedgerEntry[]): void {
    for (const entry of entries) {
      if (entry.type === 'window') this.#resume(entry);
      else this.#recount(entry.scopes, entry.costUsd, entry.timeMs);
    }
    for (const { windows } of this.#book.all()) {
      for (const window of windows) while (window.nextAlert(this.#thresholds) !== undefined);
    }
  }

  #denial(budgets: readonly Budget[], amountUsd: number, strictAt: number): BudgetDenial | undefined {
    this.#roll(budgets);
    return denialOf(budgets, amountUsd, strictAt);
  }

  #letGo(held: Held): void {
    held.settled = true;
    this.#roll(held.budgets);
    for (const budget of held.budgets) for (const window of budget.windows) window.letGo(held.amountUsd);
  }

  #spend(budgets: readonly Budget[], amountUsd: number): readonly BudgetAlert[] {
    this.#total.add(amountUsd);
    this.#requests++;
    let alerts: BudgetAlert[] | undefined;
    for (const budget of budgets) {
      for (const window of budget.windows) {
        // A window is worth writing down once something is in it.
        if (window.requests === 0) this.#mark(budget, window);
        window.spend(amountUsd);
        for (;;) {
          const threshold = window.nextAlert(this.#thresholds);
          if (threshold === undefined) break;
          alerts ??= [];
          alerts.push(this.#alert(budget, window, threshold));
        }
      }
    }
    return alerts ?? NO_ALERTS;
  }

  #roll(budgets: readonly Budget[]): void {
    const now = this.#clock.now();
    for (const budget of budgets) {
      for (const window of budget.windows) {
        if (window.roll(now) && window.requests > 0) this.#mark(budget, window);
      }
    }
  }

  #alert({ scope, value }: Budget, window: BudgetWindow, threshold: number): BudgetAlert {
    const { period, usedUsd, limitUsd } = window;
    const usagePercent = window.utilization * 100;
    const alert = { scope, value, period, threshold, usagePercent, usedUsd, limitUsd };
    tell(this.onAlert, alert, 'budget alert', this.#onFault);
    return alert;
  }

  #mark({ scope, value }: Budget, { period, startMs, usedUsd, requests }: BudgetWindow): void {
    const timeMs = this.#clock.now();
    this.#ledger?.append({ type: 'window', timeMs, scope, value, period, startMs, usedUsd, requests });
  }

  #resume({ scope, value, period, startMs, usedUsd, requests }: WindowEntry): void {
    this.window(period, scope, value)?.resume(startMs, usedUsd, requests);
  }

  /** Rolls by the entry's own time: a budget that is new has no beginning of a window in the ledger. */
  #recount(scopes: BudgetScopes, costUsd: number, timeMs: number): void {
    this.#total.add(costUsd);
    this.#requests++;
    for (const { windows } of this.#book.touchedBy(scopes)) {
      for (const window of windows) {
        window.roll(timeMs);
        window.spend(costUsd);
      }
    }
  }
}

function checkedThresholds(thresholds: readonly number[]): readonly number[] {
  for (const each of thresholds) {
    if (!(each > 0 && each < Number.POSITIVE_INFINITY)) {
      throw invalidOption('budgets', 'alertThresholds', each, 'fractions of the limit above 0, such as 0.75');
    }
  }
  return [...thresholds].sort((a, b) => a - b);
}
