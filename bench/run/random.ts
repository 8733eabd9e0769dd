// Seeded random numbers: token ids for prompts, arrivals and lengths of requests, and weights by the hundred million.
// Fast rather than fine: they keep a computation honest, they are no source of statistics or secrets.

/** Distinct normal numbers there are; `fillNormal` draws from these with replacement. */
const NORMALS = 2 ** 16;

/** Marsaglia's xorshift32: the same seed gives the same numbers on every machine. */
export class Random {
  #state: number;
  #normals: Float32Array | undefined;

  /** `seed` is an integer. */
  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) || 1; // zero is the one state that xorshift cannot leave
  }

  /** `count` token ids below `vocabularySize`. */
  tokens(count: number, vocabularySize: number): number[] {
    return Array.from({ length: count }, () => Math.floor(this.uniform() * vocabularySize));
  }

  /** Fills `values` with numbers of mean 0 and the given standard deviation, a few nanoseconds each. */
  fillNormal(values: Float32Array, deviation: number): void {
    this.#normals ??= Float32Array.from({ length: NORMALS }, () => this.normal());
    const normals = this.#normals;
    let state = this.#state; // a local variable stays in a register
    for (let i = 0; i < values.length; i++) {
      state = advance(state);
      values[i] = deviation * normals[state >>> 16]!; // the upper 16 bits
    }
    this.#state = state;
  }

  /** In [0, 1). */
  uniform(): number {
    this.#state = advance(this.#state);
    return (this.#state >>> 0) / 2 ** 32;
  }

  /** Of mean 0 and deviation 1: Box-Muller. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }
}

function advance(state: number): number {
  let next = state;
  next ^= next << 13;
  next ^= next >>> 17;
  next ^= next << 5;
  return next;
}
