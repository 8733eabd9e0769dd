// The sequences that wait for a row, in the order in which they get one. Pure.
import { goesBefore, type Schedulable } from './scheduler.js';

export class WaitingQueue<S extends Schedulable> implements Iterable<S> {
  #items: S[] = [];

  get size(): number {
    return this.#items.length;
  }

  get head(): S | undefined {
    return this.#items[0];
  }

  /** The first of all in the order of submission. Looks at everyone. */
  get oldest(): S | undefined {
    let oldest = this.#items[0];
    for (const item of this.#items) if (item.arrival < oldest!.arrival) oldest = item;
    return oldest;
  }

  insert(item: S): void {
    this.#items.splice(this.#place(item), 0, item);
  }

  /** Takes out a sequence that is there. */
  remove(item: S): void {
    this.#items.splice(this.#place(item), 1);
  }

  /** Takes out all that are over. */
  prune(isOver: (item: S) => boolean): void {
    this.#items = this.#items.filter((item) => !isOver(item));
  }

  [Symbol.iterator](): Iterator<S> {
    return this.#items[Symbol.iterator]();
  }

  /** How many go before it: where it is, or belongs. */
  #place(item: S): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (goesBefore(this.#items[middle]!, item)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
