// Turns work that hands out chunks into the stream a caller sees, and leaves such a stream.
import { Channel } from '../engine/channel.js';
import type { Completion, CompletionChunk, CompletionStream } from './provider.js';

/**
 * Starts `work` at once. `readerLeft` aborts when the reader's loop ends, after which nobody sees what is emitted;
 * `work` should then resolve with what there is. Its rejection reaches the loop and `result`, whoever awaits them.
 */
export function completionStream<Result extends Completion, Chunk extends CompletionChunk = CompletionChunk>(
  work: (emit: (chunk: Chunk) => void, readerLeft: AbortSignal) => Promise<Result>,
): CompletionStream & AsyncIterable<Chunk> & { readonly result: Promise<Result> } {
  const channel = new Channel<Chunk>();
  const reader = new AbortController();
  const result = work((chunk) => channel.push(chunk), reader.signal);
  result.then(
    () => channel.end(),
    (error) => channel.fail(error),
  );
  return {
    result,
    [Symbol.asyncIterator]() {
      const chunks = channel[Symbol.asyncIterator]();
      return {
        next: () => chunks.next(),
        // Not the generator's own, which would first wait for the next chunk.
        async return() {
          reader.abort();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

/** Ends a stream at once, however long its next chunk takes. What fails here is in the stream's result too. */
export async function leaveStream(chunks: AsyncIterator<CompletionChunk>): Promise<void> {
  try {
    await chunks.return?.();
  } catch {
    // nobody is there to hear it
  }
}
