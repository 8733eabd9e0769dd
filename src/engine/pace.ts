// Learns how long steps take on this machine, and from that how much work keeps streams flowing. Pure arithmetic.

/** A chunk of a prompt may lengthen a step by this share, so that tokens come less than twice as far apart. */
const CHUNK_SHARE = 0.8;
/** Fewer cost about as much: every chunk reads all weights once. */
const LEAST_CHUNK_TOKENS = 16;
const MOST_CHUNK_TOKENS = 4096;
/** Chunks are multiples of this: kernels like that. */
const CHUNK_STEP = 8;
/** One slow chunk may be an accident. */
const SLOW_CHUNKS = 2;
/** So many chunks are computed at a size before a larger one is tried again: few steps pay for trying. */
const CHUNKS_BETWEEN_TRIALS = 64;

/** Tokens of one row that may come at once: a new request waits no longer than that for its turn. */
const BURST_MS = 16;
const MOST_STEPS = 16;

/** Weight of the newest measurement. */
const FRESHNESS = 0.3;

export class Pace {
  #decodeMs: number | undefined;
  #chunkTokens = LEAST_CHUNK_TOKENS;
  /** Slow ones in a row, and how many are to come before a larger size is tried. */
  #slowChunks = 0;
  #untilTrial = 0;

  /** Prompt tokens to compute beside a decode step. */
  get chunkTokens(): number {
    return this.#chunkTokens;
  }

  /** Tokens to draw per row and call while nobody waits. */
  get decodeSteps(): number {
    if (this.#decodeMs === undefined) return 1;
    return Math.min(MOST_STEPS, Math.max(1, Math.floor(BURST_MS / this.#decodeMs)));
  }

  noteDecode(ms: number, steps: number): void {
    const each = ms / steps;
    this.#decodeMs =
      this.#decodeMs === undefined ? each : this.#decodeMs + FRESHNESS * (each - this.#decodeMs);
  }

  /**
   * Of a chunk that was computed beside a decode step. The size feels its way by a quarter at a time: how the time
   * depends on it is different on every machine, and never proportional.
   */
  noteChunk(ms: number, tokens: number): void {
    if (tokens < this.#chunkTokens) return; // the end of a prompt says nothing about a whole chunk
    if (ms > CHUNK_SHARE * (this.#decodeMs ?? 0)) {
      this.#slowChunks += 1;
      if (this.#slowChunks < SLOW_CHUNKS) return;
      this.#untilTrial = CHUNKS_BETWEEN_TRIALS;
      this.#resize(-1);
    } else if (this.#untilTrial > 0) {
      this.#untilTrial -= 1;
    } else {
      this.#resize(1);
    }
    this.#slowChunks = 0;
  }

  #resize(direction: 1 | -1): void {
    const change = Math.max(1, Math.floor(this.#chunkTokens / 4 / CHUNK_STEP)) * CHUNK_STEP;
    const next = this.#chunkTokens + direction * change;
    this.#chunkTokens = Math.min(MOST_CHUNK_TOKENS, Math.max(LEAST_CHUNK_TOKENS, next));
  }
}
