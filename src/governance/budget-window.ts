// One limit over one period: what was used in the current window, what calls under way hold, when the window ends.
// It knows neither whose budget it is nor who is told; `now` is always the caller's.
import { reaches, UsdSum } from './usd.js';

export const PERIODS = ['hourly', 'daily', 'weekly', 'monthly'] as const;
export type Period = (typeof PERIODS)[number];

/** 'rolling': a window begins when it is first looked at after the last one ended. 'calendar': at UTC boundaries. */
export type Alignment = 'rolling' | 'calendar';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Lengths of rolling windows; a month is 30 days. */
export const PERIOD_MS: Readonly<Record<Period, number>> = {
  hourly: HOUR_MS,
  daily: DAY_MS,
  weekly: 7 * DAY_MS,
  monthly: 30 * DAY_MS,
};

export class BudgetWindow {
  readonly period: Period;
  /** Infinity counts without limiting. */
  readonly limitUsd: number;
  readonly alignment: Alignment;
  readonly #used = new UsdSum();
  readonly #held = new UsdSum();
  #holders = 0;
  #startMs = 0;
  #lastMs = 0;
  #requests = 0;
  /** How many of the ascending alert thresholds were reported in this window. */
  #alerts = 0;

  constructor(period: Period, limitUsd: number, alignment: Alignment, nowMs: number) {
    this.period = period;
    this.limitUsd = limitUsd;
    this.alignment = alignment;
    this.#begin(nowMs);
  }

  get startMs(): number {
    return this.#startMs;
  }
  get usedUsd(): number {
    return this.#used.value;
  }
  /** Reserved by calls under way. It outlives the window: those calls will be paid for in the next. */
  get heldUsd(): number {
    return this.#held.value;
  }
  get requests(): number {
    return this.#requests;
  }
  get remainingUsd(): number {
    return Math.max(0, this.limitUsd - this.usedUsd);
  }
  /** Of the limit, 0 to 1 and beyond. */
  get utilization(): number {
    return this.usedUsd / this.limitUsd;
  }

  /**
   * Begins a new window when this one is over. A clock that was set back gives nothing back: the window goes on from
   * there with what was used. True when either happened.
   */
  roll(nowMs: number): boolean {
    if (nowMs < this.#startMs) {
      this.#begin(nowMs);
      return true;
    }
    if (nowMs <= this.#lastMs) return false;
    this.restart(nowMs);
    return true;
  }

  /** True when nothing in it matters any more: the next look begins a new window. */
  isOver(nowMs: number): boolean {
    return nowMs > this.#lastMs && this.#holders === 0;
  }

  restart(nowMs: number): void {
    this.#begin(nowMs);
    this.#used.set(0);
    this.#requests = 0;
    this.#alerts = 0;
  }

  /** As it was when the process ended. The thresholds that it had passed count as reported. */
  resume(startMs: number, usedUsd: number, requests: number): void {
    this.#begin(startMs);
    this.#used.set(usedUsd);
    this.#requests = requests;
  }

  hold(amountUsd: number): void {
    this.#held.add(amountUsd);
    this.#holders++;
  }

  letGo(amountUsd: number): void {
    this.#holders--;
    if (this.#holders === 0) this.#held.set(0);
    else this.#held.add(-amountUsd);
  }

  spend(amountUsd: number): void {
    this.#used.add(amountUsd);
    this.#requests++;
  }

  /** The next of the ascending `thresholds` (fractions of the limit) that is passed and not yet reported. */
  nextAlert(thresholds: readonly number[]): number | undefined {
    const threshold = thresholds[this.#alerts];
    if (threshold === undefined || !reaches(this.usedUsd, this.limitUsd * threshold)) return undefined;
    this.#alerts++;
    return threshold;
  }

  #begin(nowMs: number): void {
    if (this.alignment === 'rolling') {
      this.#startMs = nowMs;
      this.#lastMs = nowMs + PERIOD_MS[this.period];
    } else {
      this.#startMs = calendarStart(this.period, nowMs);
      this.#lastMs = calendarEnd(this.period, this.#startMs) - 1;
    }
  }
}

/** First millisecond of the UTC hour, day, week (from Monday) or month that `nowMs` is in. */
export function calendarStart(period: Period, nowMs: number): number {
  const day = Math.floor(nowMs / DAY_MS);
  switch (period) {
    case 'hourly':
      return Math.floor(nowMs / HOUR_MS) * HOUR_MS;
    case 'daily':
      return day * DAY_MS;
    case 'weekly': // 1970-01-01 was a Thursday
      return (day - ((day + 3) % 7)) * DAY_MS;
    case 'monthly': {
      const date = new Date(nowMs);
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
    }
  }
}

function calendarEnd(period: Period, startMs: number): number {
  if (period !== 'monthly') return startMs + PERIOD_MS[period];
  const date = new Date(startMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}
