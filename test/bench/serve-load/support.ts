// Traces written by hand.
import type { RequestTrace } from '#bench/serve-load/trace.js';

/** Due at 0 and over with its last token, unless said otherwise. */
export function trace(tokenMs: readonly number[], given: Partial<RequestTrace> = {}): RequestTrace {
  return {
    promptTokens: 10,
    cachedTokens: 0,
    dueMs: 0,
    tokenMs,
    endMs: tokenMs.at(-1) ?? 0,
    outcome: { kind: 'completed' },
    ...given,
  };
}
