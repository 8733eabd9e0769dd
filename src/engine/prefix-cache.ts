// Which row a new sequence can copy the beginning of its KV from, and which finished sequences stay for that. Pure:
// it keeps the books; whoever uses it closes and moves the runner's rows.

/** A row whose first `held` positions are those of `tokens`. */
export interface PrefixSource {
  readonly row: number;
  /** Rows are copied within a namespace only. */
  readonly namespace: string;
  readonly tokens: readonly number[];
  readonly held: number;
}

export interface PrefixMatch<T extends PrefixSource> {
  readonly source: T;
  /** Tokens that both begin with. */
  readonly length: number;
}

/** What to do with the row of a finished sequence: close these, then move it there. */
export interface Placement {
  readonly close: readonly number[];
  readonly row: number;
}

/** Shorter matches are by chance and save less than their copying costs. */
export const LEAST_MATCH_TOKENS = 16;

/** The source that begins with most of the tokens. The last token always has to be computed, so it never matches. */
export function longestMatch<T extends PrefixSource>(
  sources: Iterable<T>,
  namespace: string,
  tokens: readonly number[],
  least = LEAST_MATCH_TOKENS,
): PrefixMatch<T> | undefined {
  let best: PrefixMatch<T> | undefined;
  for (const source of sources) {
    if (source.namespace !== namespace) continue;
    const length = commonPrefix(source.tokens, tokens, Math.min(source.held, tokens.length - 1));
    if (length >= least && length > (best?.length ?? 0)) best = { source, length };
  }
  return best;
}

export class PrefixCache {
  readonly #freeRows: number[];
  readonly #pages: (tokens: number) => number;
  #entries: PrefixSource[] = []; // least recently used first
  #tokens = 0;
  #evictions = 0;

  /** Has `rows` rows from `firstRow` on. `pages`: positions that a row of this length takes in memory. */
  constructor(firstRow: number, rows: number, pages: (tokens: number) => number) {
    this.#freeRows = Array.from({ length: rows }, (_, i) => firstRow + i).reverse();
    this.#pages = pages;
  }

  get entries(): readonly PrefixSource[] {
    return this.#entries;
  }

  /** Positions that all entries take in memory. */
  get tokens(): number {
    return this.#tokens;
  }

  /** Entries given up for others. */
  get evictions(): number {
    return this.#evictions;
  }

  /** Notes that an entry was used. */
  touch(entry: PrefixSource): void {
    if (this.#entries.includes(entry)) this.#entries = [...this.#entries.filter((e) => e !== entry), entry];
  }

  /** Takes in a finished sequence, unless another entry holds as much. Entries that it begins with are not needed any more. */
  store({ namespace, tokens, held }: Omit<PrefixSource, 'row'>): Placement | undefined {
    if (held < LEAST_MATCH_TOKENS || this.#freeRows.length + this.#entries.length === 0) return undefined;
    const alike = this.#entries.filter(
      (entry) =>
        entry.namespace === namespace &&
        commonPrefix(entry.tokens, tokens, Math.min(entry.held, held)) === Math.min(entry.held, held),
    );
    const covering = alike.find((entry) => entry.held >= held);
    if (covering) {
      this.touch(covering);
      return undefined;
    }
    const close = alike.map((entry) => this.#remove(entry));
    if (this.#freeRows.length === 0) close.push(this.#evict());
    const row = this.#freeRows.pop()!;
    this.#entries.push({ row, namespace, tokens, held });
    this.#tokens += this.#pages(held);
    return { close, row };
  }

  /** Gives up at least so many positions, or all; returns the rows to close. */
  evict(tokens: number): number[] {
    const target = this.#tokens - tokens;
    const rows: number[] = [];
    while (this.#tokens > target && this.#entries.length > 0) rows.push(this.#evict());
    return rows;
  }

  #evict(): number {
    this.#evictions += 1;
    return this.#remove(this.#entries[0]!);
  }

  #remove(entry: PrefixSource): number {
    this.#entries = this.#entries.filter((other) => other !== entry);
    this.#tokens -= this.#pages(entry.held);
    this.#freeRows.push(entry.row);
    return entry.row;
  }
}

function commonPrefix(a: readonly number[], b: readonly number[], most: number): number {
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}
