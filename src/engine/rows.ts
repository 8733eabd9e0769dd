// Which sequence is in which row of the runner. Those that decode hold rows 0..n-1, the one whose prompt is being
// computed a row after them, finished ones that others may copy from the rows from maxBatchSize on.
import type { Runner } from '../runtime/runner.js';
import type { Entry } from './entry.js';
import { longestMatch, PrefixCache, type PrefixSource } from './prefix-cache.js';
import { inPages } from './scheduler.js';

export interface RowsOptions {
  readonly maxBatchSize: number;
  /** Rows for finished sequences; 0 keeps none. */
  readonly prefixCacheRows: number;
  readonly pageTokens: number;
}

export interface PrefixStatistics {
  /** Rows given out, and how many of them began with a copy. */
  readonly lookups: number;
  readonly hits: number;
  /** Prompt tokens that were copied instead of computed. */
  readonly tokensSaved: number;
  /** Finished sequences given up for others or for want of memory. */
  readonly evictions: number;
  /** Finished sequences kept now, and the tokens that they take in memory. */
  readonly rows: number;
  readonly tokens: number;
}

export class Rows {
  readonly decoding: Entry[] = [];
  filling: Entry | undefined;
  readonly #runner: Runner;
  readonly #rows: number;
  readonly #caching: boolean;
  #cache: PrefixCache;
  readonly #newCache: () => PrefixCache;
  #lookups = 0;
  #hits = 0;
  #tokensSaved = 0;

  constructor(runner: Runner, options: RowsOptions) {
    const { maxBatchSize, prefixCacheRows } = options;
    this.#runner = runner;
    this.#rows = maxBatchSize + prefixCacheRows;
    this.#caching = prefixCacheRows > 0;
    this.#newCache = () =>
      new PrefixCache(maxBatchSize, prefixCacheRows, (tokens) => inPages(tokens, options));
    this.#cache = this.#newCache();
  }

  get running(): readonly Entry[] {
    return this.filling ? [...this.decoding, this.filling] : this.decoding;
  }

  get cachedTokens(): number {
    return this.#cache.tokens;
  }

  get prefixStatistics(): PrefixStatistics {
    return {
      lookups: this.#lookups,
      hits: this.#hits,
      tokensSaved: this.#tokensSaved,
      evictions: this.#cache.evictions,
      rows: this.#cache.entries.length,
      tokens: this.#cache.tokens,
    };
  }

  /**
   * Gives a sequence the next row, with the longest beginning that another row has, once cached rows have given up
   * `evictTokens`. Returns how many positions were copied.
   */
  async open(entry: Entry, evictTokens: number): Promise<number> {
    const row = this.decoding.length;
    const match = this.#match(entry);
    if (match) this.#cache.touch(match.source);
    const evicted = await this.evict(evictTokens);
    await this.#runner.openRow(row, entry.sequence.rowOptions);
    entry.row = row;
    this.filling = entry;
    this.#lookups += 1;
    if (!match || evicted.includes(match.source.row)) return 0;
    await this.#runner.copyPrefix(match.source.row, row, match.length);
    entry.held = match.length;
    this.#hits += 1;
    this.#tokensSaved += match.length;
    return match.length;
  }

  /** The sequence whose prompt is computed joins those that decode. */
  async promote(): Promise<void> {
    const entry = this.filling!;
    const row = this.decoding.length;
    if (entry.row !== row) await this.#runner.moveRow(entry.row, row);
    entry.row = row;
    this.filling = undefined;
    this.decoding.push(entry);
  }

  /** Takes a sequence out of its row. `keep`: others may copy from it. */
  async release(entry: Entry, keep: boolean): Promise<void> {
    await this.#vacate(entry, keep);
    if (entry === this.filling) {
      this.filling = undefined;
      return;
    }
    const last = this.decoding.at(-1)!;
    if (last !== entry) {
      await this.#runner.moveRow(last.row, entry.row);
      this.decoding[entry.row] = last;
      last.row = entry.row;
    }
    this.decoding.pop();
  }

  /** Gives up at least so many cached positions, or all there are; returns the rows that had them. */
  async evict(tokens: number): Promise<readonly number[]> {
    const rows = tokens > 0 ? this.#cache.evict(tokens) : [];
    for (const row of rows) await this.#runner.closeRow(row);
    return rows;
  }

  /** Begins anew, with all rows closed: the runner did not do as it was told, so nobody knows what they hold. */
  async abandon(): Promise<void> {
    this.decoding.length = 0;
    this.filling = undefined;
    this.#cache = this.#newCache();
    const closed = Array.from({ length: this.#rows }, (_, row) => this.#runner.closeRow(row));
    await Promise.allSettled(closed); // most were not open; a runner that is gone tells the next request
  }

  #match(entry: Entry): { source: PrefixSource; length: number } | undefined {
    const { namespace, tokens } = entry;
    // Choices of one request begin alike: worth copying however short it is.
    const siblings = this.decoding.filter(({ owner }) => owner === entry.owner);
    const match = longestMatch(siblings, namespace, tokens, 1);
    if (match || !this.#caching) return match;
    return longestMatch([...this.#cache.entries, ...this.decoding], namespace, tokens);
  }

  /** Leaves the runner's row free: closed, or moved among the cached ones. */
  async #vacate(entry: Entry, keep: boolean): Promise<void> {
    const { row, namespace, tokens } = entry;
    const held = Math.min(entry.held, tokens.length); // the row may have run on past where its text ended
    const place = keep ? this.#cache.store({ namespace, tokens, held }) : undefined;
    if (!place) return this.#runner.closeRow(row);
    for (const other of place.close) await this.#runner.closeRow(other);
    if (held < entry.held) await this.#runner.truncateRow(row, held);
    await this.#runner.moveRow(row, place.row);
  }
}
