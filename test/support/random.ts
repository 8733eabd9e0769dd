// A small seeded random generator for tests: the same seed always gives the same test data.

/** Marsaglia's xorshift32. Good enough to vary test data; not a source of statistics or secrets. */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Odd multiplier: neighbouring seeds start far apart. Zero is the one state xorshift cannot leave.
    this.#state = Math.imul(seed + 1, 0x9e3779b1) || 1;
    for (let warmUp = 0; warmUp < 8; warmUp++) this.next();
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  }

  /** Uniform integer, both ends included. */
  integer(smallest: number, largest: number): number {
    return smallest + Math.floor(this.next() * (largest - smallest + 1));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.integer(0, choices.length - 1)]!;
  }

  /** Normal with mean 0 and standard deviation 1 (Box-Muller). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }

  /** `count` token ids below `vocabularySize`. */
  tokens(count: number, vocabularySize: number): number[] {
    return Array.from({ length: count }, () => this.integer(0, vocabularySize - 1));
  }
}
