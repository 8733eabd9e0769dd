// What governance remembers beyond the life of a process: each call's cost, and where budget windows began.
// An interface and its default, which forgets with the process; ledger-file.ts is the one that stays.
import type { BudgetScope, BudgetScopes } from './budget-definition.js';
import type { Period } from './budget-window.js';
import type { OnFault } from './callbacks.js';
import type { PricedOperation } from './pricing/cost.js';

/** One governed call that is paid for. */
export interface CostEntry {
  readonly type: 'cost';
  /** Unique per call, for ever: an id that comes twice is counted once. */
  readonly operationId: string;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly costUsd: number;
  readonly infrastructureUsd?: number | undefined;
  /** Who served it, and as what. */
  readonly provider: string;
  readonly model: string;
  readonly operation: PricedOperation;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly durationMs: number;
  readonly success: boolean;
  readonly scopes: BudgetScopes;
}

/** The state of one budget window, for `BudgetManager.restore`; written by the manager itself. */
export interface WindowEntry {
  readonly type: 'window';
  readonly timeMs: number;
  readonly scope: BudgetScope;
  /** Undefined for the scope 'all'. */
  readonly value?: string | undefined;
  readonly period: Period;
  readonly startMs: number;
  readonly usedUsd: number;
  readonly requests: number;
}

export type LedgerEntry = CostEntry | WindowEntry;

export interface Ledger {
  /** Takes the entry at once and never throws; it is stored some time later, in the order of the calls. */
  append(entry: LedgerEntry): void;
  /** What is stored, oldest first, each operation once. */
  load(): Promise<readonly LedgerEntry[]>;
  /** Settles once all that was appended so far is stored, or rejects with why it is not. */
  flush(): Promise<void>;
  /** Flushes and gives up the storage. Closing again does nothing. */
  close(): Promise<void>;
  /** Tells `onFault`, from now on, of what fails after `append` has returned. `govern` counts it in its status. */
  reportTo?(onFault: OnFault): void;
}

/** Keeps the last entries of this process. */
export class MemoryLedger implements Ledger {
  readonly #entries: LedgerEntry[] = [];
  readonly #capacity: number;

  constructor(capacity = 1000) {
    this.#capacity = capacity;
  }

  append(entry: LedgerEntry): void {
    this.#entries.push(entry);
    // Dropping in bulk keeps an append cheap.
    if (this.#entries.length >= 2 * this.#capacity) this.#entries.splice(0, this.#capacity);
  }

  async load(): Promise<readonly LedgerEntry[]> {
    return eachOperationOnce(this.#entries.slice(-this.#capacity));
  }

  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

/** The entries without those of an operation that came before. */
export function eachOperationOnce(entries: readonly LedgerEntry[]): readonly LedgerEntry[] {
  const seen = new Set<string>();
  return entries.filter((entry) => {
    if (entry.type !== 'cost') return true;
    if (seen.has(entry.operationId)) return false;
    seen.add(entry.operationId);
    return true;
  });
}
