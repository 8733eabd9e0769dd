// The record of every decision in strict mode: who asked, what was decided, what it did to the books.
// What was asked is kept as a hash: enough to prove it later, nothing to leak.
import * as crypto from 'node:crypto';
import { type OnFault, tell } from './callbacks.js';
import type { Clock } from './clock.js';

export interface AuditDecision {
  readonly requestId: string;
  readonly result: 'ALLOWED' | 'BLOCKED' | 'WARNING' | 'RATE_LIMITED';
  readonly reasonCode?: string | undefined;
  /** Who asked: the attributes of the call. */
  readonly actor: Readonly<Record<string, unknown>>;
  /** Of `hashInputs`. */
  readonly inputsHash: string;
  /** Total cost in USD before and after. */
  readonly beforeUsd: number;
  readonly afterUsd: number;
}

export interface AuditRecord extends AuditDecision {
  /** 1, 2, 3, ...: a gap shows that records are missing. */
  readonly sequence: number;
  /** ISO 8601. */
  readonly time: string;
}

export interface AuditOptions {
  /** How many records stay readable here. Default 1000. */
  readonly keep?: number | undefined;
  /** Takes every record, to store it. */
  readonly sink?: ((record: AuditRecord) => unknown) | undefined;
  /** Told of what the sink throws or rejects with; that never reaches the call. */
  readonly onFault?: OnFault | undefined;
}

export class AuditTrail {
  readonly #clock: Clock;
  readonly #keep: number;
  readonly #sink: ((record: AuditRecord) => unknown) | undefined;
  readonly #onFault: OnFault;
  readonly #records: AuditRecord[] = [];
  #sequence = 0;

  constructor(clock: Clock, options: AuditOptions = {}) {
    this.#clock = clock;
    this.#keep = options.keep ?? 1000;
    this.#sink = options.sink;
    this.#onFault = options.onFault ?? (() => {});
  }

  /** The latest records, oldest first. */
  get records(): readonly AuditRecord[] {
    return this.#records.slice(-this.#keep);
  }

  record(decision: AuditDecision): AuditRecord {
    this.#sequence++;
    const { requestId, result, reasonCode, actor, inputsHash, beforeUsd, afterUsd } = decision;
    const time = new Date(this.#clock.now()).toISOString();
    const record = Object.freeze({
      requestId,
      result,
      reasonCode,
      actor,
      inputsHash,
      beforeUsd,
      afterUsd,
      sequence: this.#sequence,
      time,
    });
    this.#records.push(record);
    // Dropping in bulk keeps a call cheap.
    if (this.#records.length >= 2 * this.#keep) this.#records.splice(0, this.#keep);
    tell(this.#sink, record, 'audit sink', this.#onFault);
    return record;
  }
}

/** SHA-256 in hexadecimal of a request's JSON. */
export function hashInputs(request: unknown): string {
  const json = JSON.stringify(request) ?? '';
  // At once it takes half the time, but Node.js can only since 20.12.
  return crypto.hash?.('sha256', json) ?? crypto.createHash('sha256').update(json).digest('hex');
}
