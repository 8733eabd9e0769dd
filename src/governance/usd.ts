// Amounts of money: doubles in US dollars, never rounded inside; a call of a small model costs a few nanodollars.
import { invalidOption } from '../options.js';

/** A sum that many small amounts do not blur: Neumaier's compensated summation. */
export class UsdSum {
  #sum = 0;
  #lost = 0;

  get value(): number {
    return this.#sum + this.#lost;
  }

  add(amount: number): void {
    const sum = this.#sum + amount;
    this.#lost +=
      Math.abs(this.#sum) >= Math.abs(amount) ? this.#sum - sum + amount : amount - sum + this.#sum;
    this.#sum = sum;
  }

  set(amount: number): void {
    this.#sum = amount;
    this.#lost = 0;
  }
}

/**
 * Whether `amount` is above `limit` by more than decimal fractions lose as doubles: 37 times 0.01 is not above 0.37.
 */
export function exceeds(amount: number, limit: number): boolean {
  return amount > limit * (1 + 1e-12);
}

/** Whether `amount` reaches `limit`, in the same sense. */
export function reaches(amount: number, limit: number): boolean {
  return amount >= limit * (1 - 1e-12);
}

/** @throws InvalidInputError `INHOUSE_INVALID_OPTION` unless `amount` is a finite number, 0 or more */
export function requireUsd(caller: string, name: string, amount: number): void {
  if (!(Number.isFinite(amount) && amount >= 0)) {
    throw invalidOption(caller, name, amount, 'a finite amount in USD, 0 or more');
  }
}

/** For messages and reports: six significant digits, `$0.00123` or `$1.5e-8`. */
export function showUsd(amount: number): string {
  return `$${Number(amount.toPrecision(6))}`;
}
