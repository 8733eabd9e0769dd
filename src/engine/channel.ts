// Hands values from a producer that pushes to a consumer that awaits, in order.

export class Channel<T> implements AsyncIterable<T> {
  /** Pushed and not yet read. */
  protected readonly waiting: T[] = [];
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  push(value: T): void {
    if (this.#ended) return; // the reader has left
    this.waiting.push(value);
    this.#wake?.();
  }

  /** No more values: the consumer's loop ends after those already pushed. Only the first end counts. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** As `end`, but the consumer's loop throws. */
  fail(error: unknown): void {
    if (this.#ended) return;
    this.#error = error;
    this.end();
  }

  /** As an iterator that can be left at any time, also while it waits for a value; `onLeave` is then told at once. */
  reader(onLeave: () => void): Required<Pick<AsyncIterator<T, undefined>, 'next' | 'return'>> {
    const values = this[Symbol.asyncIterator]();
    return {
      next: () => values.next() as Promise<IteratorResult<T, undefined>>,
      // Not the generator's own, which would first wait for the next value.
      return: async () => {
        this.waiting.length = 0;
        this.end();
        onLeave();
        return { done: true, value: undefined };
      },
    };
  }

  /** For one consumer. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      while (this.waiting.length > 0) yield this.waiting.shift()!;
      if (this.#ended) break;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }
}
