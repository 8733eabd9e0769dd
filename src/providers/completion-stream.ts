// Streams as a caller sees them: made from work that hands out chunks, left early, and what they answer to a reader who
// left before anything was answered.
import { Channel } from '../engine/channel.js';
import type {
  Completion,
  CompletionChunk,
  CompletionStream,
  Embedding,
  GenerationRequest,
} from './provider.js';

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

/** Ends a stream at once, however long its next chunk takes. What fails here is in the stream's result too. */
export async function leaveStream(chunks: AsyncIterator<CompletionChunk>): Promise<void> {
  try {
    await chunks.return?.();
  } catch {
    // nobody is there to hear it
  }
}

/** The answer to a stream whose reader left before anybody was asked for it. */
export function unanswered(provider: string, { model, n = 1 }: GenerationRequest): Completion {
  const finishReason = 'abort';
  return {
    id: `cmpl-${crypto.randomUUID()}`,
    provider,
    model,
    text: '',
    finishReason,
    choices: Array.from({ length: n }, (_, index) => ({ index, text: '', finishReason })),
    usage: { promptTokens: 0, completionTokens: 0, totalTokens: 0 },
    timings: { totalMs: 0 },
  };
}

/** Such an answer says nothing about who gave it, who may have been about to answer or have hung. */
export function isUnanswered(answer: Completion | Embedding): boolean {
  return answer.usage.completionTokens === 0 && 'finishReason' in answer && answer.finishReason === 'abort';
}
