// From what goes wrong in HTTP to the errors of this package: failed connections, and answers with an error status.
import {
  type ErrorCode,
  type InhouseError,
  InvalidInputError,
  ModelUnavailableError,
  ProviderError,
  TimeoutError,
} from '../errors.js';

/** What the other side said of an error. */
export interface ErrorReply {
  readonly httpStatus: number;
  /** Undefined where it gave none. */
  readonly code: string | undefined;
  /** Short, and without secrets. */
  readonly message: string;
  readonly retryAfterSeconds: number | undefined;
}

const MESSAGE_LENGTH = 200;

/** Failures before a connection stands; all others break one that stood. */
const NO_CONNECTION = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const SILENCE = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

/** For what `fetch`, or reading its body, threw without being told to stop. */
export function connectionError(provider: string, cause: unknown): InhouseError {
  const code = causeCode(cause);
  const why = code ?? (cause instanceof Error ? cause.message : String(cause));
  const options = { cause, details: { provider, cause: why } };
  if (code !== undefined && SILENCE.has(code))
    return new TimeoutError('INHOUSE_TIMEOUT', `${provider} fell silent (${why}).`, options);
  const unreachable = code !== undefined && (NO_CONNECTION.has(code) || /CERT|TLS|SSL/.test(code));
  return unreachable
    ? new ProviderError(
        'INHOUSE_PROVIDER_UNREACHABLE',
        `${provider} cannot be reached (${why}). Check its base URL, and whether it runs.`,
        options,
      )
    : new ProviderError(
        'INHOUSE_PROVIDER_DISCONNECTED',
        `The connection to ${provider} broke before its answer was complete (${why}).`,
        options,
      );
}

/** `keyVariable` is the environment variable that the message of a refused key names. */
export function replyError(
  provider: string,
  reply: ErrorReply,
  keyVariable: string | undefined,
): InhouseError {
  const { httpStatus, code, message, retryAfterSeconds } = reply;
  const details = { provider, httpStatus, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
  const said = `${provider} answered ${httpStatus}: ${message}`;
  if (isContextOverflow(reply)) return new InvalidInputError('INHOUSE_CONTEXT_OVERFLOW', said, { details });
  if (isUnknownModel(reply)) return new ModelUnavailableError('INHOUSE_MODEL_NOT_SERVED', said, { details });
  if (httpStatus === 408 || httpStatus === 504) return new TimeoutError('INHOUSE_TIMEOUT', said, { details });
  const advice =
    (httpStatus === 401 || httpStatus === 403) && keyVariable !== undefined
      ? ` Check the key in ${keyVariable}.`
      : '';
  return new ProviderError(codeFor(httpStatus, code), said + advice, { details });
}

/** Reads the shapes in use: OpenAI's and Together's { error: {…} }, vLLM's flat one, FastAPI's { detail }, plain text. */
export function errorReply(
  httpStatus: number,
  body: string,
  retryAfter: string | null,
  secret?: string,
): ErrorReply {
  const { code, message } = errorFacts(parsed(body));
  return {
    httpStatus,
    code,
    message: presentable(message ?? body, secret),
    retryAfterSeconds: retryAfterSeconds(retryAfter),
  };
}

/** The code and message in an error body, or in an error that arrives in the middle of a stream. */
export function errorFacts(body: unknown): { code: string | undefined; message: string | undefined } {
  const outer = record(body);
  const inner = typeof outer.error === 'object' ? record(outer.error) : outer;
  const message = [inner.message, inner.error, inner.detail].find((text) => typeof text === 'string');
  const code = [inner.code, inner.type].find((word) => typeof word === 'string');
  return { code, message };
}

/** One short line, with what looks like a credential taken out. */
export function presentable(message: string, secret?: string): string {
  const withoutSecret = secret ? message.replaceAll(secret, '[redacted]') : message;
  const line = withoutSecret
    .replace(/\bbearer\s+\S+/gi, 'Bearer [redacted]')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > MESSAGE_LENGTH ? `${line.slice(0, MESSAGE_LENGTH)}…` : line || '(nothing)';
}

function codeFor(httpStatus: number, code: string | undefined): ErrorCode {
  if (httpStatus >= 500) return 'INHOUSE_PROVIDER_FAILED';
  if (httpStatus === 401 || httpStatus === 403) return 'INHOUSE_PROVIDER_UNAUTHORIZED';
  // An empty account does not fill up by waiting.
  if (httpStatus === 429 && code !== 'insufficient_quota') return 'INHOUSE_PROVIDER_RATE_LIMITED';
  return 'INHOUSE_PROVIDER_REJECTED';
}

function isContextOverflow({ httpStatus, code, message }: ErrorReply): boolean {
  if (code === 'context_length_exceeded') return true;
  return httpStatus === 400 && /maximum context length|context length exceeded/i.test(message);
}

/** A 404 without any message is more likely a wrong base URL. */
function isUnknownModel({ httpStatus, code, message }: ErrorReply): boolean {
  if (code === 'model_not_found' || code === 'model_not_available') return true;
  return httpStatus === 404 && /\bmodel\b/i.test(message);
}

/** Seconds, or a date. */
function retryAfterSeconds(header: string | null): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\s*\d+(\.\d+)?\s*$/.test(header)
    ? Number(header)
    : (Date.parse(header) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/** `fetch` throws a TypeError whose cause, or a cause of that, has the code. */
function causeCode(error: unknown): string | undefined {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as { readonly code?: unknown };
    if (typeof code === 'string') return code;
  }
  return undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
