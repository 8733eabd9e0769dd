// Counts values by size: how a latency is distributed, in constant memory.

export interface HistogramData {
  readonly count: number;
  readonly sum: number;
  readonly min: number | undefined;
  readonly max: number | undefined;
  /** Upper bounds, inclusive, of all buckets but the last, which has none. */
  readonly boundaries: readonly number[];
  /** One more than boundaries. */
  readonly bucketCounts: readonly number[];
}

export class Histogram {
  readonly #boundaries: readonly number[];
  readonly #counts: number[];
  #count = 0;
  #sum = 0;
  #min: number | undefined;
  #max: number | undefined;

  /** `boundaries` ascend. */
  constructor(boundaries: readonly number[]) {
    this.#boundaries = boundaries;
    this.#counts = new Array(boundaries.length + 1).fill(0);
  }

  record(value: number): void {
    let bucket = 0;
    while (bucket < this.#boundaries.length && value > this.#boundaries[bucket]!) bucket++;
    this.#counts[bucket]! += 1;
    this.#count += 1;
    this.#sum += value;
    this.#min = Math.min(value, this.#min ?? value);
    this.#max = Math.max(value, this.#max ?? value);
  }

  get data(): HistogramData {
    return {
      count: this.#count,
      sum: this.#sum,
      min: this.#min,
      max: this.#max,
      boundaries: this.#boundaries,
      bucketCounts: [...this.#counts],
    };
  }
}
