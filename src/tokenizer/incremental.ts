// Turns token ids into text one at a time, as they are generated, without ever splitting a character.

/** Emits text as soon as it is complete. Made by `Tokenizer.incremental()`; serves one sequence at a time. */
export class IncrementalDecoder {
  readonly #bytesOf: (id: number) => Uint8Array;
  // A byte order mark is text like any other here, so the decoder must not swallow it.
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

  /** `bytesOf` gives the UTF-8 bytes of a token, which may begin or end inside a character. */
  constructor(bytesOf: (id: number) => Uint8Array) {
    this.#bytesOf = bytesOf;
  }

  /**
   * Takes the next token and returns the text that is now complete, possibly ''. Bytes that may yet become a
   * character are held back; bytes that no longer can become U+FFFD.
   * @throws InvalidInputError `INHOUSE_INVALID_TOKEN` for an id outside the vocabulary; nothing is lost by it.
   */
  push(id: number): string {
    return this.#utf8.decode(this.#bytesOf(id), { stream: true });
  }

  /** Ends the sequence: returns U+FFFD for a character left incomplete, otherwise ''. A new sequence may follow. */
  flush(): string {
    return this.#utf8.decode();
  }
}
