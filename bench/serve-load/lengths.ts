// How many tokens prompts and outputs have: always the same, or drawn from a distribution. Pure but for the generator.
import { invalidOption } from '../../src/options.js';
import type { Random } from '../run/random.js';

export type Lengths =
  | { readonly kind: 'fixed'; readonly most: number }
  | { readonly kind: 'uniform'; readonly least: number; readonly most: number }
  /** The logarithm is normal; what would be longer than `most` is cut to it. */
  | { readonly kind: 'lognormal'; readonly median: number; readonly sigma: number; readonly most: number };

const EXPECTED =
  'a number of tokens such as 128, uniform:LEAST:MOST such as uniform:16:256, or lognormal:MEDIAN:SIGMA:MOST such as ' +
  'lognormal:128:0.6:900';

/** From what was typed. Throws `INHOUSE_INVALID_OPTION` in the name of `option`. */
export function parseLengths(option: string, text: string): Lengths {
  const lengths = read(text);
  if (lengths === undefined) throw invalidOption('bench', option, text, EXPECTED);
  return lengths;
}

export function drawLength(lengths: Lengths, random: Random): number {
  if (lengths.kind === 'fixed') return lengths.most;
  if (lengths.kind === 'uniform') {
    const { least, most } = lengths;
    return least + Math.floor(random.uniform() * (most - least + 1));
  }
  const { median, sigma, most } = lengths;
  return Math.min(most, Math.max(1, Math.round(median * Math.exp(sigma * random.normal()))));
}

function read(text: string): Lengths | undefined {
  const [kind, ...words] = /^\d+$/.test(text) ? ['fixed', text] : text.split(':');
  const numbers = words.map(Number);
  const [first, second, third] = numbers;
  if (kind === 'fixed' && numbers.length === 1 && isLength(first)) return { kind, most: first };
  if (kind === 'uniform' && numbers.length === 2 && isLength(first) && isLength(second) && first <= second) {
    return { kind, least: first, most: second };
  }
  if (kind === 'lognormal' && numbers.length === 3 && isLength(first) && isLength(third) && second! > 0) {
    return { kind, median: first, sigma: second!, most: third };
  }
  return undefined;
}

function isLength(value: number | undefined): value is number {
  return Number.isSafeInteger(value) && value! > 0;
}
