// Hands values from a producer that pushes to a consumer that awaits, in order.

export class Channel<T> implements AsyncIterable<T> {
  /** Pushed and not yet read. */
  protected readonly waiting: T[] = [];
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  push(value: T): void {
    this.waiting.push(value);
    this.#wake?.();
  }

  /** No more values: the consumer's loop ends after those already pushed. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** As `end`, but the consumer's loop throws. */
  fail(error: unknown): void {
    this.#error = error;
    this.end();
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
