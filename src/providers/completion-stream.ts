// Turns work that hands out chunks into the stream a caller sees.
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
    [Symbol.asyncIterator]: () => channel.reader(() => reader.abort()),
  };
}
