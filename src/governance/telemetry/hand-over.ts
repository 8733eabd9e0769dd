// What need not be done before a call's result is there: kept until the event loop turns, or until somebody asks for it.
// Bounded: when many calls end in one turn, what no longer fits is done at once.

/** So many entries wait at most; done together they hold up the event loop for about a millisecond. */
const MOST_WAITING = 64;

export class HandOver<Entry> {
  readonly #deliver: (entry: Entry) => void;
  #waiting: Entry[] = [];

  /** @param deliver what is to be done with an entry; it must not throw */
  constructor(deliver: (entry: Entry) => void) {
    this.#deliver = deliver;
  }

  add(entry: Entry): void {
    if (this.#waiting.length >= MOST_WAITING) {
      this.#deliver(entry);
      return;
    }
    if (this.#waiting.length === 0) setImmediate(() => this.flush());
    this.#waiting.push(entry);
  }

  /** Delivers what waits, now. */
  flush(): void {
    if (this.#waiting.length === 0) return;
    const entries = this.#waiting;
    this.#waiting = [];
    for (const entry of entries) this.#deliver(entry);
  }
}
