// Hands the chunks of a stream from the engine, which never waits, to a reader that takes its time.
import type { FinishReason, StreamChunk, TokenLogprobs } from './sequence.js';

/** Chunks beyond this are merged into the last one of their choice: a slow reader gets fewer, larger chunks. */
const MOST_CHUNKS = 16;

interface WaitingChunk extends StreamChunk {
  text: string;
  tokens: number[];
  logprobs?: TokenLogprobs[];
  finishReason?: FinishReason;
}

/**
 * Memory is bounded: the number of chunks by `MOST_CHUNKS` and the number of choices, what is in them by the choices'
 * maxTokens, which the result holds too.
 */
export class ChunkChannel implements AsyncIterable<StreamChunk> {
  readonly #chunks: WaitingChunk[] = [];
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  push(chunk: StreamChunk): void {
    const last =
      this.#chunks.length < MOST_CHUNKS
        ? undefined
        : this.#chunks.findLast(({ index }) => index === chunk.index);
    if (last) append(last, chunk);
    else this.#chunks.push(copyOf(chunk));
    this.#wake?.();
  }

  /** No more chunks: the reader's loop ends after those already pushed. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  /** As `end`, but the reader's loop throws. */
  fail(error: unknown): void {
    this.#error = error;
    this.end();
  }

  /** For one reader. */
  async *[Symbol.asyncIterator](): AsyncGenerator<StreamChunk, void, undefined> {
    for (;;) {
      while (this.#chunks.length > 0) yield this.#chunks.shift()!;
      if (this.#ended) break;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
    if (this.#error !== undefined) throw this.#error;
  }
}

function copyOf({ tokens, logprobs, ...rest }: StreamChunk): WaitingChunk {
  return { ...rest, tokens: [...tokens], ...(logprobs && { logprobs: [...logprobs] }) };
}

function append(chunk: WaitingChunk, { text, tokens, logprobs, finishReason }: StreamChunk): void {
  chunk.text += text;
  chunk.tokens.push(...tokens);
  if (logprobs) {
    chunk.logprobs ??= [];
    chunk.logprobs.push(...logprobs);
  }
  if (finishReason) chunk.finishReason = finishReason;
}
