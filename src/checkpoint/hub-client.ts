// The conversation with one repository of the Hugging Face hub: which commit, which files, and their bytes.
// Every failure leaves here as a HubError. What is kept where on disk is not its business.
import { setTimeout as sleep } from 'node:timers/promises';
import { modelInfo, type PathInfo, pathsInfo } from '@huggingface/hub';
import { HubError, InhouseError } from '../errors.js';

/** How patient a conversation is. */
export interface NetworkPolicy {
  /** Failures in a row, without a new byte between them, that end it. Default 5. */
  readonly attempts: number;
  /** Pause after the first failure; each further one doubles it. Default 500. */
  readonly firstDelayMs: number;
  /** Default 8 000. */
  readonly maxDelayMs: number;
  /** The longest Retry-After that is waited for; a longer one ends the attempt at once. Default 30 000. */
  readonly maxRetryAfterMs: number;
  /** A connection silent for this long is taken for broken. Default 30 000. */
  readonly silenceTimeoutMs: number;
}

export const DEFAULT_NETWORK_POLICY: NetworkPolicy = {
  attempts: 5,
  firstDelayMs: 500,
  maxDelayMs: 8_000,
  maxRetryAfterMs: 30_000,
  silenceTimeoutMs: 30_000,
};

/** A file as the hub describes it. The etag is both the file's name in the cache and the hash of its content. */
export interface RemoteFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly etag: string;
  /** 'sha256' of the content (LFS), or the 'git' blob hash: SHA-1 of `blob <size>\0` and the content. */
  readonly hash: 'sha256' | 'git';
}

export interface HubClientOptions {
  readonly hubId: string;
  /** Without a trailing slash. */
  readonly endpoint: string;
  readonly token: string | undefined;
  readonly policy: NetworkPolicy;
  readonly signal: AbortSignal | undefined;
  /** Said to a user whose machine does not reach the hub. */
  readonly offlineAdvice: string;
}

/** Codes of connections that existed and then broke; with any other code there was none. */
const BROKEN = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'];
const GIT_HASH = /^[0-9a-f]{40}$/;
const SHA256 = /^[0-9a-f]{64}$/;

/** Rejections are HubErrors, or the reason of the aborted signal. */
export class HubClient {
  readonly #options: HubClientOptions;

  constructor(options: HubClientOptions) {
    this.#options = options;
  }

  /** The commit that a branch, tag or commit hash stands for now: one request, repeated while it fails in passing. */
  async commitOf(revision: string, attempts = this.#options.policy.attempts): Promise<string> {
    const { hubId: name, endpoint: hubUrl } = this.#options;
    const { sha } = await this.#ask(attempts, (fetch) =>
      modelInfo({ name, revision, hubUrl, fetch, additionalFields: ['sha'] }),
    );
    if (GIT_HASH.test(sha)) return sha;
    throw this.#notUnderstood(`commit ${JSON.stringify(sha)}`);
  }

  /** Those of the paths that are files at the commit, in the order asked. */
  async filesAt(commit: string, paths: readonly string[]): Promise<readonly RemoteFile[]> {
    const { hubId: name, endpoint: hubUrl, policy } = this.#options;
    const found = await this.#ask(policy.attempts, (fetch) =>
      pathsInfo({ repo: { type: 'model', name }, revision: commit, paths: [...paths], hubUrl, fetch }),
    );
    return paths.flatMap((path) => {
      const info = found.find((candidate) => candidate.path === path && candidate.type === 'file');
      return info === undefined ? [] : [this.#remoteFile(info)];
    });
  }

  /**
   * The bytes of a file from an offset on, each chunk with its position; from 0 where the server knows no ranges.
   * One attempt: a connection that breaks, or ends before the file does, rejects. The library's `downloadFile` is not
   * used for this because it hides the status: the answer of a server without ranges, which is the whole file, would
   * be taken for the missing part.
   */
  async *read(
    commit: string,
    { path, sizeBytes }: RemoteFile,
    from: number,
  ): AsyncGenerator<{ readonly position: number; readonly bytes: Uint8Array }> {
    const { hubId, endpoint, policy } = this.#options;
    const url = `${endpoint}/${hubId}/resolve/${commit}/${encodeURIComponent(path)}`;
    const silence = new AbortController();
    const timer = setTimeout(() => silence.abort(), policy.silenceTimeoutMs);
    try {
      const headers = from > 0 ? { Range: `bytes=${from}-` } : {};
      const response = await this.#request(url, { headers }, silence.signal);
      let position = response.status === 206 ? from : 0;
      for await (const bytes of response.body ?? []) {
        yield { position, bytes };
        position += bytes.length;
        timer.refresh();
      }
      if (position < sizeBytes) {
        const problem = `${endpoint} ended ${path} at ${position} of ${sizeBytes} bytes.`;
        throw this.#unreachable(problem, { cause: undefined, interrupted: true });
      }
    } catch (error) {
      // The hub was reached a moment ago, so a connection that cannot be made now is a broken one too.
      throw this.#asHubError(error, silence.signal, true);
    } finally {
      clearTimeout(timer);
    }
  }

  async #ask<T>(attempts: number, question: (fetch: typeof globalThis.fetch) => Promise<T>): Promise<T> {
    const policy = { ...this.#options.policy, attempts };
    return withRetries(policy, this.#options.signal, async () => {
      const timeout = AbortSignal.timeout(policy.silenceTimeoutMs);
      try {
        return await question((url, init) => this.#request(String(url), init, timeout));
      } catch (error) {
        throw this.#asHubError(error, timeout, false);
      }
    });
  }

  /**
   * `fetch` of the endpoint that rejects on any status but success. The token is added here and not given to the
   * library, which would also send it to the storage behind a redirect; fetch drops it where the origin changes.
   */
  async #request(url: string, init: RequestInit | undefined, timeout: AbortSignal): Promise<Response> {
    const { token, signal } = this.#options;
    const headers = new Headers(init?.headers);
    if (token !== undefined) headers.set('Authorization', `Bearer ${token}`);
    const response = await fetch(url, {
      ...init,
      headers,
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    });
    if (response.ok) return response;
    await response.body?.cancel();
    throw this.#refusal(response);
  }

  #refusal({ status, headers }: Response): HubError {
    const { hubId, endpoint } = this.#options;
    const reason = headers.get('X-Error-Code');
    const answer = `${endpoint} answered HTTP ${status}${reason === null ? '' : ` (${reason})`} for ${hubId}`;
    const details = { hubId, httpStatus: status };
    if (status === 401 || status === 403) {
      return new HubError(
        'INHOUSE_HUB_UNAUTHORIZED',
        `${answer}: there is no such model, or it is private, or its terms are not accepted. Check the name; for a ` +
          `private or gated model, accept its terms at ${endpoint}/${hubId} and set HF_TOKEN to a token that may ` +
          'read it.',
        { details },
      );
    }
    if (status === 404) {
      return new HubError(
        'INHOUSE_HUB_NOT_FOUND',
        `${answer}: there is no such model, revision or file. Check the name and the revision at ${endpoint}/${hubId}.`,
        { details },
      );
    }
    const retryAfterSeconds = retryAfter(headers.get('Retry-After'));
    if (status === 429) {
      const wait = retryAfterSeconds === undefined ? 'later' : `in ${retryAfterSeconds} seconds`;
      return new HubError(
        'INHOUSE_HUB_RATE_LIMITED',
        `${answer}: too many requests from here. Try again ${wait}; with HF_TOKEN set the limits are higher.`,
        { details: { ...details, retryAfterSeconds } },
      );
    }
    return new HubError('INHOUSE_HUB_FAILED', `${answer}. Try again later.`, {
      details: { ...details, retryAfterSeconds },
    });
  }

  /** @param reached the hub answered earlier in this conversation */
  #asHubError(error: unknown, timeout: AbortSignal, reached: boolean): unknown {
    const { endpoint, signal, policy } = this.#options;
    if (signal?.aborted) return signal.reason;
    if (error instanceof InhouseError) return error;
    if (timeout.aborted) {
      const problem = `${endpoint} sent nothing for ${policy.silenceTimeoutMs / 1000} s.`;
      return this.#unreachable(problem, { cause: error, interrupted: reached });
    }
    const { code, message } = innermost(error);
    if (typeof code !== 'string') return this.#notUnderstood(message, error);
    return this.#unreachable(`The connection to ${endpoint} failed: ${message || code}.`, {
      cause: error,
      interrupted: reached || BROKEN.includes(code),
    });
  }

  #unreachable(problem: string, facts: { cause: unknown; interrupted: boolean }): HubError {
    const { hubId, endpoint, offlineAdvice } = this.#options;
    const kept = facts.interrupted ? ' What has arrived is kept, and another try goes on from there.' : '';
    return new HubError('INHOUSE_HUB_UNREACHABLE', `${problem}${kept} ${offlineAdvice}`, {
      cause: facts.cause,
      details: { hubId, endpoint, interrupted: facts.interrupted },
    });
  }

  #notUnderstood(answer: string, cause?: unknown): HubError {
    const { endpoint, hubId } = this.#options;
    return new HubError(
      'INHOUSE_HUB_FAILED',
      `${endpoint} does not answer like a Hugging Face hub for ${hubId}: ${answer}. ` +
        'Check HF_ENDPOINT, and that no proxy or sign-in page answers in its place.',
      { cause, details: { hubId, endpoint } },
    );
  }

  #remoteFile({ path, size, oid, lfs }: PathInfo): RemoteFile {
    if (lfs !== undefined && SHA256.test(lfs.oid)) {
      return { path, sizeBytes: lfs.size, etag: lfs.oid, hash: 'sha256' };
    }
    if (lfs === undefined && oid !== undefined && GIT_HASH.test(oid)) {
      return { path, sizeBytes: size, etag: oid, hash: 'git' };
    }
    throw this.#notUnderstood(`${path} has no usable hash`);
  }
}

/**
 * Repeats an attempt that fails in passing, with pauses; any other failure, and the last one, is passed on.
 * @param advanced says whether the failed attempt brought something new, which starts the count of failures again
 */
export async function withRetries<T>(
  policy: NetworkPolicy,
  signal: AbortSignal | undefined,
  attempt: () => Promise<T>,
  advanced: () => boolean = () => false,
): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (advanced()) failures = 1;
      const delayMs = retryDelayMs(error, failures, policy);
      if (delayMs === undefined) throw error;
      await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/**
 * The pause before another attempt after so many failures in a row, or undefined when there shall be none: only
 * broken connections, server errors and rate limits pass by themselves.
 */
export function retryDelayMs(error: unknown, failures: number, policy: NetworkPolicy): number | undefined {
  if (!(error instanceof HubError) || failures >= policy.attempts || !isPassing(error)) return undefined;
  const { retryAfterSeconds } = error.details;
  if (typeof retryAfterSeconds === 'number') {
    return retryAfterSeconds * 1000 <= policy.maxRetryAfterMs ? retryAfterSeconds * 1000 : undefined;
  }
  return Math.min(policy.firstDelayMs * 2 ** (failures - 1), policy.maxDelayMs);
}

function isPassing({ code, details }: HubError): boolean {
  if (code === 'INHOUSE_HUB_UNREACHABLE') return details.interrupted === true;
  if (code === 'INHOUSE_HUB_FAILED') return ((details.httpStatus as number | undefined) ?? 0) >= 500;
  return code === 'INHOUSE_HUB_RATE_LIMITED';
}

/** Seconds from a Retry-After header, which holds seconds or a date (RFC 9110, 10.2.3). */
export function retryAfter(header: string | null, now = Date.now()): number | undefined {
  if (header === null || header.trim() === '') return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - now) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, Math.ceil(seconds));
}

/** The deepest cause: what `fetch` throws wraps the system's or the socket's error, which has a code. */
function innermost(error: unknown): { readonly code?: unknown; readonly message: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  return error.cause === undefined ? error : innermost(error.cause);
}
