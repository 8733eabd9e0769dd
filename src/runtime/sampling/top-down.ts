// Hands out token ids from the largest logit down (ties: smaller id first), sorting only as far as it is asked.

/** A binary heap over ids: O(n) to build, O(log n) per pop. */
export class TopDown {
  readonly #values: Float32Array | Float64Array;
  readonly #heap: number[];

  constructor(values: Float32Array | Float64Array, ids: Iterable<number>) {
    this.#values = values;
    this.#heap = [...ids];
    for (let i = (this.#heap.length >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (heap.length > 0 && last !== undefined) {
      heap[0] = last;
      this.#sink(0);
    }
    return top;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    const id = heap[start]!;
    let hole = start;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child++;
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
