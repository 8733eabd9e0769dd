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

/** A record as it is kept: most are never read, so it is made one when it is. */
interface Entry {
  readonly decision: AuditDecision;
  readonly sequence: number;
  readonly timeMs: number;
}

export class AuditTrail {
  readonly #clock: Clock;
  readonly #keep: number;
  readonly #sink: ((record: AuditRecord) => unknown) | undefined;
  readonly #onFault: OnFault;
  readonly #entries: Entry[] = [];
  #sequence = 0;

  constructor(clock: Clock, options: AuditOptions = {}) {
    this.#clock = clock;
    this.#keep = options.keep ?? 1000;
    this.#sink = options.sink;
    this.#onFault = options.onFault ?? (() => {});
  }

  /** The latest records, oldest first. */
  get records(): readonly AuditRecord[] {
    return this.#entries.slice(-this.#keep).map(recordOf);
  }

  /** `decision` must not change any more. */
  record(decision: AuditDecision): void {
    this.#sequence++;
    const entry = { decision, sequence: this.#sequence, timeMs: this.#clock.now() };
    this.#entries.push(entry);
    // Dropping in bulk keeps a call cheap.
    if (this.#entries.length >= 2 * this.#keep) this.#entries.splice(0, this.#keep);
    if (this.#sink) tell(this.#sink, recordOf(entry), 'audit sink', this.#onFault);
  }
}

/** Frozen: who reads it, or a sink, must not be able to change what others read. */
function recordOf({ decision, sequence, timeMs }: Entry): AuditRecord {
  return Object.freeze({ ...decision, sequence, time: new Date(timeMs).toISOString() });
}

/** SHA-256 in hexadecimal of a request's JSON. */
export function hashInputs(request: unknown): string {
  const json = JSON.stringify(request) ?? '';
  // At once it takes half the time, but Node.js can only since 20.12.
  return crypto.hash?.('sha256', json) ?? crypto.createHash('sha256').update(json).digest('hex');
}
