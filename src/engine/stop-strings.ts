// Finds stop strings in text that arrives in pieces, and holds back whatever might be the beginning of one. Pure.

export interface StopScan {
  /** Text that can be shown: it precedes any stop string. */
  readonly text: string;
  /** The stop string that was found; everything from it on is dropped. */
  readonly found: string | undefined;
}

export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** Takes the next piece. Of several stop strings the one that begins first wins, then the longer. */
  push(piece: string): StopScan {
    const text = this.#held + piece;
    const found = this.#earliest(text);
    if (found) {
      this.#held = '';
      return { text: text.slice(0, found.at), found: found.stop };
    }
    const keep = this.#possibleBeginning(text);
    this.#held = text.slice(text.length - keep);
    return { text: text.slice(0, text.length - keep), found: undefined };
  }

  /** The text still held back, when no more will come. */
  flush(): string {
    const text = this.#held;
    this.#held = '';
    return text;
  }

  #earliest(text: string): { at: number; stop: string } | undefined {
    let best: { at: number; stop: string } | undefined;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      if (!best || at < best.at || (at === best.at && stop.length > best.stop.length)) best = { at, stop };
    }
    return best;
  }

  /** Length of the longest end of the text that begins a stop string. */
  #possibleBeginning(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) {
          longest = length;
          break;
        }
      }
    }
    return longest;
  }
}
