// The limits of a goodput as they are typed: ttft:500 itl:100.
import { invalidOption } from '../../src/options.js';
import type { Goodput } from './metrics.js';

const EXPECTED = 'ttft, itl, tpot or e2el with a limit in milliseconds, such as ttft:500';

/** Throws `INHOUSE_INVALID_OPTION` for a word that is no limit. */
export function parseGoodput(words: readonly string[]): Goodput {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, limit] = /^(ttft|itl|tpot|e2el):(\d+(?:\.\d+)?)$/.exec(word) ?? [];
      if (name === undefined) throw invalidOption('bench', 'goodput', word, EXPECTED);
      return [name, Number(limit)];
    }),
  );
}
