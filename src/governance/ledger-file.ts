// The ledger in a folder, on LevelDB: what it stored is there after a crash, and a crash costs at most the batch that
// was on its way. A batch is one record, its key the number of its first entry: written twice it is stored once, and a
// hole between batches shows.
import { readdir } from 'node:fs/promises';
import { setImmediate as turnOfLoop } from 'node:timers/promises';
import type { ClassicLevel } from 'classic-level';
import { type ErrorCode, LedgerError } from '../errors.js';
import { checkOptions, invalidOption, rule } from '../options.js';
import { type OnFault, tell } from './callbacks.js';
import { type Clock, clockRule, systemClock } from './clock.js';
import { eachOperationOnce, type Ledger, type LedgerEntry } from './ledger.js';

export interface FileLedgerOptions {
  readonly clock?: Clock | undefined;
  /** For who only loads: a ledger is not made where there is none, and what is old stays. Default false. */
  readonly onlyToRead?: boolean | undefined;
  /** Told of what fails behind a request; the request itself never fails for it. */
  readonly onFault?: OnFault | undefined;
}

export interface FileLedgerStatus {
  /** Entries on disk since it was opened. */
  readonly stored: number;
  /** Entries on their way. */
  readonly pending: number;
  /** Writes that failed. Their entries stay pending and are tried again with the next one. */
  readonly faults: number;
  /** Entries that were not taken: after `close`, or because too many were pending. */
  readonly lost: number;
}

/** Longer than any budget window, so what is older matters to no budget. */
const KEEP_MS = 62 * 24 * 3_600_000;
/** Where the disk takes nothing any more, memory must end too. */
const MOST_PENDING = 100_000;

const RULES = { clock: clockRule, onlyToRead: rule.boolean, onFault: rule.function };

type Database = ClassicLevel<string, readonly LedgerEntry[]>;

export class FileLedger implements Ledger {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #onlyToRead: boolean;
  readonly #listeners: OnFault[] = [];
  readonly #pending: LedgerEntry[] = [];
  /** The number of the first pending entry, once there is one. */
  #next: number;
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #failure: unknown;
  #stored = 0;
  #faults = 0;
  #lost = 0;

  private constructor(database: Database, next: number, options: FileLedgerOptions) {
    this.#database = database;
    this.#next = next;
    this.#clock = options.clock ?? systemClock;
    this.#onlyToRead = options.onlyToRead ?? false;
    if (options.onFault) this.reportTo(options.onFault);
  }

  /**
   * Opens the ledger in `folder`, which is made if need be; one ledger at a time per folder.
   * @throws LedgerError `INHOUSE_LEDGER_LOCKED`, `INHOUSE_LEDGER_CORRUPT`, `INHOUSE_LEDGER_FAILED`; InvalidInputError for an
   * option that is unknown or cannot be meant
   */
  static async open(folder: string, options: FileLedgerOptions = {}): Promise<FileLedger> {
    const expected = rule.text(folder);
    if (expected) throw invalidOption('FileLedger.open', 'folder', folder, expected);
    checkOptions('FileLedger.open', options, RULES);
    await refuseHeadless(folder);
    // Here, so that only who keeps a ledger loads its native code.
    const { ClassicLevel } = await import('classic-level');
    const database: Database = new ClassicLevel(folder, {
      valueEncoding: 'json',
      createIfMissing: !options.onlyToRead,
    });
    try {
      await database.open();
      const [last] = await database.iterator({ reverse: true, limit: 1 }).all();
      return new FileLedger(database, last ? Number(last[0]) + last[1].length : 0, options);
    } catch (error) {
      await database.close().catch(() => {});
      throw ledgerError(folder, error);
    }
  }

  append(entry: LedgerEntry): void {
    if (this.#closing || this.#pending.length >= MOST_PENDING) {
      this.#lost++;
      const why = this.#closing ? 'the ledger is closed' : `${MOST_PENDING} entries wait for the disk`;
      this.#report(new Error(`An entry was not taken: ${why}.`));
      return;
    }
    this.#pending.push(entry);
    this.#writing ??= this.#write();
  }

  /** Drops what is too old for any budget, from the disk too unless it was opened only to read. @throws LedgerError */
  async load(): Promise<readonly LedgerEntry[]> {
    await this.flush();
    const oldestMs = this.#clock.now() - KEEP_MS;
    const entries: LedgerEntry[] = [];
    let expected: number | undefined;
    let firstKept: string | undefined;
    try {
      for await (const [key, batch] of this.#database.iterator()) {
        if (expected !== undefined && Number(key) !== expected) throw new Hole(expected);
        expected = Number(key) + batch.length;
        const tooOld = firstKept === undefined && batch.every((entry) => entry.timeMs < oldestMs);
        if (tooOld) continue;
        firstKept ??= key;
        for (const entry of batch) entries.push(entry);
      }
      if (firstKept !== undefined && !this.#onlyToRead) await this.#database.clear({ lt: firstKept });
    } catch (error) {
      throw ledgerError(this.#database.location, error);
    }
    return eachOperationOnce(entries);
  }

  async flush(): Promise<void> {
    const end = this.#next + this.#pending.length; // what comes later is not waited for
    while (this.#next < end) {
      const faults = this.#faults;
      this.#writing ??= this.#write();
      await this.#writing;
      if (this.#faults > faults) throw ledgerError(this.#database.location, this.#failure);
    }
  }

  async close(): Promise<void> {
    this.#closing ??= this.flush().finally(() => this.#database.close());
    return this.#closing;
  }

  reportTo(onFault: OnFault): void {
    this.#listeners.push(onFault);
  }

  status(): FileLedgerStatus {
    const { length: pending } = this.#pending;
    return { stored: this.#stored, pending, faults: this.#faults, lost: this.#lost };
  }

  /** Writes what is pending, and then what came meanwhile. Never rejects. */
  async #write(): Promise<void> {
    await turnOfLoop();
    const batch = [...this.#pending];
    try {
      if (this.#failure !== undefined) await this.#reopen();
      // After a failure the same key comes again, with these entries and more: what was stored after all is replaced.
      await this.#database.put(keyOf(this.#next), batch, { sync: true });
      this.#pending.splice(0, batch.length);
      this.#next += batch.length;
      this.#stored += batch.length;
    } catch (error) {
      this.#failure = error;
      this.#faults++;
      this.#report(error);
    }
    const more = this.#failure === undefined && this.#pending.length > 0;
    this.#writing = more ? this.#write() : undefined;
  }

  #report(error: unknown): void {
    for (const listener of this.#listeners) {
      tell(
        (fault) => listener('ledger', fault),
        error,
        'ledger',
        () => {},
      ); // there is nobody else to tell
    }
  }

  /** LevelDB takes no more writes after one failed. */
  async #reopen(): Promise<void> {
    await this.#database.close();
    await this.#database.open();
    this.#failure = undefined;
  }
}

class Hole extends Error {
  constructor(number: number) {
    super(`Entry ${number} is missing between others.`);
  }
}

/** As many digits as any number has, so that the order of keys is the order of entries. */
function keyOf(number: number): string {
  return String(number).padStart(16, '0');
}

/** LevelDB would begin a new database over the remains of one whose head is gone. */
async function refuseHeadless(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [] as string[]);
  if (names.includes('CURRENT') || !names.some((name) => /^\d+\.(log|ldb)$/.test(name))) return;
  throw ledgerError(folder, Object.assign(new Error('CURRENT is missing.'), { code: 'LEVEL_CORRUPTION' }));
}

function ledgerError(folder: string, error: unknown): LedgerError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const said = cause instanceof Error ? cause.message : String(cause);
  const code = codeOf(error) ?? codeOf(cause) ?? 'INHOUSE_LEDGER_FAILED';
  return new LedgerError(code, `The ledger in ${folder} ${WHAT[code]}: ${said}`, {
    cause: error,
    details: { folder },
  });
}

const WHAT = {
  INHOUSE_LEDGER_LOCKED: 'is open already, here or in another process; give each process a folder of its own',
  INHOUSE_LEDGER_CORRUPT: 'is damaged; restore it, or move the folder away to begin anew',
  INHOUSE_LEDGER_FAILED: 'cannot be read or written; check its disk and permissions',
} as const satisfies { readonly [Code in ErrorCode]?: string };

function codeOf(error: unknown): keyof typeof WHAT | undefined {
  const { code } = (error ?? {}) as { code?: unknown };
  if (code === 'LEVEL_LOCKED') return 'INHOUSE_LEDGER_LOCKED';
  const damaged = code === 'LEVEL_CORRUPTION' || code === 'LEVEL_DECODE_ERROR' || error instanceof Hole;
  return damaged ? 'INHOUSE_LEDGER_CORRUPT' : undefined;
}
