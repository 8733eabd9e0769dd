// What became of one request of a load, as its caller saw it. Times are milliseconds of one clock.
import { InhouseError } from '../../src/errors.js';

export interface LoadRequest {
  readonly prompt: readonly number[];
  /** Exactly so many: nothing ends it early. */
  readonly outputTokens: number;
  /** The caller loses interest after so many tokens. Default: never. */
  readonly leaveAfter?: number;
}

/** Sends a request, tells of its tokens as they reach the caller, resolves when it has ended, rejects when it fails. */
export type Send = (
  request: LoadRequest,
  onTokens: (count: number) => void,
  signal: AbortSignal,
) => Promise<Reply>;

export interface Reply {
  /** Prompt tokens that were not computed. */
  readonly cachedTokens: number;
  readonly aborted: boolean;
}

export interface RequestTrace {
  readonly promptTokens: number;
  readonly cachedTokens: number;
  /** When its caller wanted to send it: latencies begin here. */
  readonly dueMs: number;
  /** When each token reached the caller. */
  readonly tokenMs: readonly number[];
  readonly endMs: number;
  readonly outcome: Outcome;
}

export type Outcome =
  | { readonly kind: 'completed' }
  /** Its caller left, or the measurement was ended early. */
  | { readonly kind: 'aborted' }
  | { readonly kind: 'failed'; readonly code: string };

export async function traced(
  send: Send,
  request: LoadRequest,
  dueMs: number,
  signal: AbortSignal,
): Promise<RequestTrace> {
  const tokenMs: number[] = [];
  const onTokens = (count: number) => {
    const now = performance.now();
    for (let i = 0; i < count; i++) tokenMs.push(now);
  };
  let cachedTokens = 0;
  let outcome: Outcome = { kind: 'completed' };
  try {
    const reply = await send(request, onTokens, signal);
    cachedTokens = reply.cachedTokens;
    if (reply.aborted) outcome = { kind: 'aborted' };
  } catch (error) {
    outcome = { kind: 'failed', code: error instanceof InhouseError ? error.code : String(error) };
  }
  return {
    promptTokens: request.prompt.length,
    cachedTokens,
    dueMs,
    tokenMs,
    endMs: performance.now(),
    outcome,
  };
}
