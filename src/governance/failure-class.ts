// What a failed call says about whom: whether trying again can help, and whether the provider is to blame.
import { type ErrorCode, InhouseError } from '../errors.js';

/**
 * transient: the provider failed and may recover (crash, timeout, connection, HTTP 5xx).
 * throttled: the provider is well but wants fewer calls (HTTP 429).
 * busy: our own queue is full; trying again only helps where the caller says so.
 * fault: the provider failed and will fail again (corrupt weights, an answer that breaks the protocol).
 * refused: the call itself was refused or given up: input, policy, budget, open circuit, abort.
 */
export type FailureClass = 'transient' | 'throttled' | 'busy' | 'fault' | 'refused';

/** Codes whose status and `retryable` alone would mislead: who refused matters here, not only whether to come back. */
const BY_CODE: { readonly [Code in ErrorCode]?: FailureClass } = {
  INHOUSE_QUEUE_FULL: 'busy',
  INHOUSE_CIRCUIT_OPEN: 'refused',
  INHOUSE_POLICY_RATE_LIMITED: 'refused',
  INHOUSE_RUNTIME_STEP: 'transient', // the model stays usable
};

const CONNECTION_LOST =
  /^(ECONNRESET|ECONNREFUSED|ECONNABORTED|ETIMEDOUT|EPIPE|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN|ENOTFOUND|UND_ERR_.*)$/;

export function classify(error: unknown): FailureClass {
  if (error instanceof InhouseError) {
    return BY_CODE[error.code] ?? byStatus(error.status, error.retryable);
  }
  const { name, code, status } = (error ?? {}) as { name?: unknown; code?: unknown; status?: unknown };
  if (name === 'AbortError') return 'refused';
  if (name === 'TimeoutError') return 'transient';
  if (typeof code === 'string' && CONNECTION_LOST.test(code)) return 'transient';
  if (typeof status === 'number' && status >= 400) return byStatus(status, status >= 500 || status === 429);
  return 'fault';
}

function byStatus(status: number, retryable: boolean): FailureClass {
  if (status === 429 && retryable) return 'throttled';
  if (retryable) return 'transient';
  return status >= 500 ? 'fault' : 'refused';
}

/** Whether a breaker counts it against the provider. */
export function blamesProvider(failure: FailureClass): boolean {
  return failure === 'transient' || failure === 'fault';
}
