// The grid of one block: the scale and zero point that its weights are rounded to. value = (q - zeroPoint) * scale.
//
// Two ways to choose it. `round` spans the block's range. `fit` looks for the least squared error. What was measured:
// docs/quantization.md.
import type { WeightScheme } from '../precision.js';
import { roundToBfloat16 } from './bfloat16.js';

export type BlockwiseScheme = Extract<WeightScheme, { kind: 'blockwise' }>;

/**
 * The scales that `fit` tries, as shares of the rounding scale: coarser ones because the zero point is a whole number, and
 * the grid that suits it best may be wider than the range; finer ones because clipping a few weights can pay.
 */
const SHARES = [1.08, 1, 0.92, 0.84];
/** How far from the rounding one `fit` looks for zero points. */
const ZERO_POINT_REACH = 1;
/** A subnormal scale would slow every product down for weights that are zero in all but name. */
export const SMALLEST_SCALE = 2 ** -126;

/** One object serves all blocks in turn: the loops over millions of them allocate nothing. */
export class BlockGrid {
  /**
   * At 4 bits a bfloat16, which is fine enough there and takes half the space; a float32 at 8. 0 when all weights of the
   * block are zero or as good as. Negative is possible where symmetric.
   */
  scale = 0;
  zeroPoint = 0;
  readonly #top: number; // the largest code
  readonly #middle: number;
  readonly #symmetric: boolean;
  readonly #steps: Int32Array;
  readonly #storable: (scale: number) => number;
  #low = 0;
  #high = 0;
  #sumOfSquares = 0;
  #explained = 0;
  #bestScale = 0;
  #bestZeroPoint = 0;

  constructor({ bits, block, symmetric }: Pick<BlockwiseScheme, 'bits' | 'block' | 'symmetric'>) {
    this.#top = 2 ** bits - 1;
    this.#middle = 2 ** (bits - 1);
    this.#symmetric = symmetric;
    this.#steps = new Int32Array(block);
    this.#storable = bits === 4 ? roundToBfloat16 : Math.fround;
  }

  choose(method: BlockwiseScheme['method'], values: Float32Array, from: number, to: number): void {
    if (method === 'round') this.round(values, from, to);
    else this.fit(values, from, to);
  }

  /** The code of a weight: the nearest of the grid. */
  code(value: number): number {
    if (this.scale === 0) return this.zeroPoint;
    const code = Math.floor(value / this.scale + this.zeroPoint + 0.5);
    return code < 0 ? 0 : code > this.#top ? this.#top : code;
  }

  /**
   * Symmetric: the weight furthest from zero becomes the code 0, which is further from the middle than the top is.
   * Asymmetric: from the least to the greatest weight, and zero, which is always on the grid.
   */
  round(values: Float32Array, from: number, to: number): void {
    let low = 0;
    let high = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      if (value < low) low = value;
      else if (value > high) high = value;
    }
    this.#low = low;
    this.#high = high;
    const furthest = high > -low ? high : low;
    const scale = this.#storable(this.#symmetric ? -furthest / this.#middle : (high - low) / this.#top);
    this.scale = Math.abs(scale) < SMALLEST_SCALE ? 0 : scale;
    if (this.#symmetric) this.zeroPoint = this.#middle;
    else this.zeroPoint = this.scale === 0 ? 0 : Math.min(Math.floor(-low / this.scale + 0.5), this.#top);
  }

  /** The grid of least squared error among those tried; never a larger error than that of `round`. */
  fit(values: Float32Array, from: number, to: number): void {
    this.round(values, from, to);
    if (this.scale === 0) return;
    this.#explained = 0;
    this.#sumOfSquares = 0;
    for (let i = from; i < to; i++) this.#sumOfSquares += values[i]! * values[i]!;
    for (const share of SHARES) this.#tryScale(values, from, to, share * this.scale);

    const scale = this.#storable(this.#bestScale);
    const rounded = this.#squaredError(values, from, to, this.scale, this.zeroPoint);
    if (!(this.#squaredError(values, from, to, scale, this.#bestZeroPoint) < rounded)) return;
    this.scale = scale;
    this.zeroPoint = this.#bestZeroPoint;
  }

  /**
   * Each weight takes the nearest step of the scale, steps are clipped to what a zero point leaves room for, and the best
   * scale for them explains sum(value * step)^2 / sum(step^2) of sum(value^2). The steps that explain most are kept, with
   * the scale sum(value^2) / sum(value * step): the one of least squares, sum(value * step) / sum(step^2), makes all
   * products a little smaller, which costs more than the squared error it saves.
   */
  #tryScale(values: Float32Array, from: number, to: number, scale: number): void {
    const steps = this.#steps;
    const inverse = 1 / scale;
    let product = 0; // sums before clipping
    let square = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      const step = Math.floor(value * inverse + 0.5);
      steps[i - from] = step;
      product += value * step;
      square += step * step;
    }
    const least = Math.floor(this.#low * inverse + 0.5);
    const greatest = Math.floor(this.#high * inverse + 0.5);
    let first = Math.max(this.zeroPoint - ZERO_POINT_REACH, this.#top - greatest, 0);
    let last = Math.min(this.zeroPoint + ZERO_POINT_REACH, -least, this.#top);
    if (this.#symmetric || first > last) first = last = this.zeroPoint; // no choice, or none needed: all steps fit
    for (let zeroPoint = first; zeroPoint <= last; zeroPoint++) {
      const low = -zeroPoint;
      const high = this.#top - zeroPoint;
      let clippedProduct = product;
      let clippedSquare = square;
      for (let i = from; i < to; i++) {
        const step = steps[i - from]!;
        if (step >= low && step <= high) continue; // nearly all
        const end = step < low ? low : high;
        clippedProduct += values[i]! * (end - step);
        clippedSquare += end * end - step * step;
      }
      const explained = (clippedProduct * clippedProduct) / clippedSquare;
      if (explained > this.#explained) {
        this.#explained = explained;
        this.#bestScale = this.#sumOfSquares / clippedProduct;
        this.#bestZeroPoint = zeroPoint;
      }
    }
  }

  /** Of the nearest codes. */
  #squaredError(values: Float32Array, from: number, to: number, scale: number, zeroPoint: number): number {
    const low = -zeroPoint;
    const high = this.#top - zeroPoint;
    const inverse = 1 / scale;
    let error = 0;
    for (let i = from; i < to; i++) {
      const value = values[i]!;
      const free = Math.floor(value * inverse + 0.5) | 0; // integers compare faster
      const step = free < low ? low : free > high ? high : free;
      const difference = value - step * scale;
      error += difference * difference;
    }
    return error;
  }
}
