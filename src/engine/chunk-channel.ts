// Hands the chunks of a stream from the engine, which never waits, to a reader that takes its time.
import { Channel } from './channel.js';
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
export class ChunkChannel extends Channel<WaitingChunk> {
  override push(chunk: StreamChunk): void {
    const last =
      this.waiting.length < MOST_CHUNKS
        ? undefined
        : this.waiting.findLast(({ index }) => index === chunk.index);
    if (last)
      append(last, chunk); // the reader has been told of it
    else super.push(copyOf(chunk));
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
