import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LEAST_MATCH_TOKENS, longestMatch, PrefixCache } from '#inhouse/engine/prefix-cache.js';

/** Token i of a text is text + i, so that two texts share nothing. */
const text = (of: number, length: number) => Array.from({ length }, (_, i) => 1000 * of + i);
const source = (tokens: readonly number[], held = tokens.length, namespace = '') => ({
  row: 0,
  namespace,
  tokens,
  held,
});
const cache = (rows: number) => new PrefixCache(8, rows, (tokens) => tokens);
const entry = (tokens: readonly number[], namespace = '') => ({ namespace, tokens, held: tokens.length });

describe('the longest match', () => {
  it('is the row that shares most, and leaves the last token to compute', () => {
    const tokens = text(1, 50);
    const [some, most] = [source([...tokens.slice(0, 20), ...text(2, 20)]), source(tokens.slice(0, 30))];
    expect(longestMatch([some, most], '', tokens)).toEqual({ source: most, length: 30 });
    expect(longestMatch([source(tokens)], '', tokens)?.length).toBe(49);
  });

  it('counts only what the row holds', () => {
    const tokens = text(1, 50);
    expect(longestMatch([source(tokens, 25)], '', tokens)?.length).toBe(25);
  });

  it('ignores matches too short to be worth a copy, unless told that they are', () => {
    const tokens = text(1, LEAST_MATCH_TOKENS);
    expect(longestMatch([source(tokens)], '', tokens)).toBeUndefined();
    expect(longestMatch([source(tokens)], '', tokens, 1)?.length).toBe(LEAST_MATCH_TOKENS - 1);
  });

  it('never crosses namespaces', () => {
    const tokens = text(1, 50);
    expect(longestMatch([source(tokens, 50, 'a')], 'b', tokens)).toBeUndefined();
    expect(longestMatch([source(tokens, 50, 'a')], 'a', tokens)?.length).toBe(49);
  });
});

describe('the prefix cache', () => {
  it('gives up the least recently used entry for a new one', () => {
    const full = cache(2);
    full.store(entry(text(1, 20)));
    full.store(entry(text(2, 20)));
    full.touch(full.entries[0]!);
    expect(full.store(entry(text(3, 20)))).toEqual({ close: [9], row: 9 });
    expect(full.entries.map(({ tokens }) => tokens[0])).toEqual([1000, 3000]);
    expect(full.evictions).toBe(1);
  });

  it('replaces what a longer entry begins with, and refuses what it has already', () => {
    const chat = cache(3);
    chat.store(entry(text(1, 20)));
    chat.store(entry(text(2, 20)));
    expect(chat.store(entry(text(1, 40)))).toEqual({ close: [8], row: 8 });
    expect(chat.store(entry(text(1, 30)))).toBeUndefined();
    expect(chat.entries.map(({ held }) => held)).toEqual([20, 40]);
    expect(chat.evictions).toBe(0);
  });

  it('keeps alike entries of several namespaces apart', () => {
    const shared = cache(3);
    shared.store(entry(text(1, 20), 'a'));
    expect(shared.store(entry(text(1, 20), 'b'))).toMatchObject({ close: [] });
    expect(shared.entries).toHaveLength(2);
  });

  it('keeps nothing that is too short to match, and nothing at all without rows', () => {
    expect(cache(3).store(entry(text(1, LEAST_MATCH_TOKENS - 1)))).toBeUndefined();
    expect(cache(0).store(entry(text(1, 50)))).toBeUndefined();
  });

  it('gives up entries, oldest first, until there is enough memory', () => {
    const full = cache(3);
    for (const of of [1, 2, 3]) full.store(entry(text(of, 20)));
    expect(full.evict(21)).toEqual([8, 9]);
    expect(full.tokens).toBe(20);
    expect(full.evict(1000)).toEqual([10]);
    expect(full.tokens).toBe(0);
  });

  it('never gives one row to two entries, and counts what they hold', () => {
    const operations = fc.array(
      fc.record({
        of: fc.nat(4),
        length: fc.integer({ min: 10, max: 40 }),
        namespace: fc.constantFrom('a', 'b'),
        evict: fc.option(fc.nat(60)),
      }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(operations, fc.nat(4), (all, rows) => {
        const books = cache(rows);
        const open = new Set<number>();
        for (const { of, length, namespace, evict } of all) {
          if (evict !== null) for (const row of books.evict(evict)) expect(open.delete(row)).toBe(true);
          const place = books.store(entry(text(of, length), namespace));
          if (!place) continue;
          for (const row of place.close) expect(open.delete(row)).toBe(true);
          expect(open.has(place.row)).toBe(false);
          open.add(place.row);
        }
        expect(books.entries.map(({ row }) => row).sort()).toEqual([...open].sort());
        expect(open.size).toBeLessThanOrEqual(rows);
        expect(books.tokens).toBe(books.entries.reduce((sum, { held }) => sum + held, 0));
      }),
    );
  });
});
