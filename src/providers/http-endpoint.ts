// One remote HTTP endpoint: requests with a key, over the global `fetch`; answers of bounded size. It never repeats a
// request and follows no redirect, which could carry a prompt elsewhere.
import { ProviderError } from '../errors.js';
import { invalidOption } from '../options.js';
import { connectionError, errorReply, replyError } from './http-errors.js';

export interface EndpointOptions {
  /** Of the provider, for messages. */
  readonly name: string;
  readonly baseUrl: string;
  readonly apiKey: (() => string | undefined | Promise<string | undefined>) | undefined;
  /** Where the key comes from, for messages. */
  readonly apiKeyVariable: string | undefined;
  readonly maxResponseBytes: number;
}

/** Of an answer with an error status, only this much is read. */
const ERROR_BODY_BYTES = 16_384;

export class HttpEndpoint {
  readonly #options: EndpointOptions;
  readonly #baseUrl: string;

  constructor(options: EndpointOptions) {
    this.#options = options;
    this.#baseUrl = checkedBaseUrl(options.baseUrl);
  }

  /** GET without a body, POST with one. Resolves when an answer without an error has begun. */
  async request(path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const { name, apiKeyVariable } = this.#options;
    const key = await this.#key(signal);
    const response = await fetch(this.#baseUrl + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(key && { authorization: `Bearer ${key}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal,
      redirect: 'manual',
    }).catch((cause: unknown) => {
      throw connectionError(name, cause);
    });
    if (response.ok) return response;
    const text = await this.#beginning(response);
    const reply = errorReply(response.status, text, response.headers.get('retry-after'), key);
    throw replyError(name, reply, apiKeyVariable);
  }

  /** The whole body of an answer, parsed. */
  async json(answer: Response): Promise<unknown> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.bytes(answer)) pieces.push(piece);
    const text = Buffer.concat(pieces).toString('utf8');
    try {
      return JSON.parse(text);
    } catch (cause) {
      const message = `${this.#options.name} sent what is not JSON (${text.length} characters).`;
      throw new ProviderError('INHOUSE_PROVIDER_MALFORMED', message, { cause });
    }
  }

  /** The body of an answer as it arrives. To stop reading, or to abort, closes the connection. */
  async *bytes(answer: Response): AsyncGenerator<Uint8Array, void, undefined> {
    const { name, maxResponseBytes } = this.#options;
    let received = 0;
    for await (const piece of this.#pieces(answer)) {
      received += piece.byteLength;
      if (received > maxResponseBytes) {
        throw new ProviderError(
          'INHOUSE_PROVIDER_TOO_LARGE',
          `${name} sent more than ${maxResponseBytes} bytes, the limit. Ask for less, or raise maxResponseBytes.`,
          { details: { maxResponseBytes } },
        );
      }
      yield piece;
    }
  }

  /** Read anew for every request, so that a key can change. Rejects when the signal aborts, however long it takes. */
  async #key(signal: AbortSignal): Promise<string | undefined> {
    const { apiKey } = this.#options;
    const key = apiKey && (await orAborted(apiKey, signal))?.trim();
    if (!key || /^[\x21-\x7e]+$/.test(key)) return key;
    // `fetch` would refuse it too, and show it.
    const source = this.#options.apiKeyVariable ?? 'the apiKey callback';
    const message = `The key of ${this.#options.name}, from ${source}, has characters that a header cannot hold.`;
    throw new ProviderError('INHOUSE_PROVIDER_UNAUTHORIZED', message);
  }

  async *#pieces(response: Response): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const piece of response.body ?? []) yield piece as Uint8Array;
    } catch (cause) {
      throw connectionError(this.#options.name, cause);
    }
  }

  async #beginning(response: Response): Promise<string> {
    let text = '';
    const decoder = new TextDecoder();
    for await (const piece of this.#pieces(response)) {
      text += decoder.decode(piece, { stream: true });
      if (text.length >= ERROR_BODY_BYTES) break;
    }
    return text;
  }
}

/** What `ask` answers, or a rejection as soon as the signal aborts; a later answer is nobody's. */
async function orAborted<T>(ask: () => T | Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let leave!: () => void;
  const aborted = new Promise<never>((_resolve, reject) => {
    leave = () => reject(signal.reason);
  });
  signal.addEventListener('abort', leave);
  try {
    return await Promise.race([ask(), aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** Credentials in an address would end up in messages, so it must have none. */
function checkedBaseUrl(baseUrl: string): string {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  const fine = url && /^https?:$/.test(url.protocol) && !(url.username || url.password || url.search);
  if (!fine) {
    throw invalidOption(
      'openAiCompatible',
      'baseUrl',
      baseUrl.replace(/[^/]*@/, '[redacted]@'),
      'an http or https address without user name, password and query',
    );
  }
  return url.href.replace(/\/+$/, '');
}
