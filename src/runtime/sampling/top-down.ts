// Hands out token ids from the largest logit down (ties: smaller id first), sorting only as far as it is asked.

/** 0..count-1. */
export function allIds(count: number): Uint32Array {
  return Uint32Array.from({ length: count }, (_, id) => id);
}

/** A binary heap over ids: O(n) to build, O(log n) per pop. */
export class TopDown {
  readonly #values: Float32Array | Float64Array;
  readonly #heap: Uint32Array;
  #size: number;

  constructor(values: Float32Array | Float64Array, ids: Uint32Array) {
    this.#values = values;
    this.#heap = ids.slice();
    this.#size = ids.length;
    for (let i = (this.#size >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  /** The next id; undefined when all have been handed out. */
  pop(): number | undefined {
    if (this.#size === 0) return undefined;
    const heap = this.#heap;
    const top = heap[0];
    this.#size -= 1;
    heap[0] = heap[this.#size]!;
    this.#sink(0);
    return top;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const id = heap[start]!;
    let hole = start;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(heap[child + 1]!, heap[child]!)) child++;
      if (!this.#before(heap[child]!, id)) break;
      heap[hole] = heap[child]!;
      hole = child;
    }
    heap[hole] = id;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#values[a]! - this.#values[b]!;
    return difference > 0 || (difference === 0 && a < b);
  }
}
