// Sends the requests of a load to a loaded model, as any caller in the process would: as a stream that it reads.
import type { Model } from '../../src/model.js';
import type { Send } from './trace.js';

/** Greedy, and with exactly as many tokens as asked for. Fails those that take longer than `timeoutMs`. */
export function sendTo(model: Model, timeoutMs?: number): Send {
  return async ({ prompt, outputTokens, leaveAfter = Number.POSITIVE_INFINITY }, onTokens, signal) => {
    const stream = model.stream(prompt, {
      maxTokens: outputTokens,
      minTokens: outputTokens, // random weights may well come upon a stop token
      temperature: 0,
      signal,
      ...(timeoutMs !== undefined && { timeoutMs }),
    });
    let received = 0;
    for await (const { tokens } of stream) {
      onTokens(tokens.length);
      received += tokens.length;
      if (received >= leaveAfter) break;
    }
    const { cachedTokens, finishReason } = await stream.result;
    return { cachedTokens, aborted: finishReason === 'abort' };
  };
}
