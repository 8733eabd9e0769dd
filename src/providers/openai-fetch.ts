// A `fetch` that no network is behind: a provider answers what a client of OpenAI's HTTP API asks. With it the official
// client, its streams, types and errors included, talks to a model in this process.
import { InhouseError, InvalidInputError } from '../errors.js';
import { incomingRequest } from './openai-incoming.js';
import type { WireBody } from './openai-request.js';
import {
  asChatChunk,
  asChatCompletion,
  asEmbeddingList,
  asTextChunk,
  asTextCompletion,
  asUsage,
} from './openai-shape.js';
import {
  type CallOptions,
  type Embedding,
  type GenerationRequest,
  isChat,
  type Provider,
} from './provider.js';

/** Status and code as OpenAI has them, where ours differ. */
const WIRE_ERRORS: Readonly<Record<string, readonly [status: number, code: string]>> = {
  INHOUSE_CONTEXT_OVERFLOW: [400, 'context_length_exceeded'],
  INHOUSE_MODEL_NOT_SERVED: [404, 'model_not_found'],
};

/**
 * Serves `/chat/completions`, `/completions`, `/embeddings` and `/models` of whatever address. Keys of the body that name
 * whom a call is for (`team`, `customer_id`, ..., and `user`) are its attributes, for which the provider must be a governed
 * one. An answer says `x-should-retry: false`: whether to try again is decided behind it.
 */
export function openAiFetch(provider: Provider): typeof fetch {
  return async (address, init) => {
    const created = Math.floor(Date.now() / 1000);
    try {
      return await answer(provider, new URL(String(address)).pathname, init ?? {}, created);
    } catch (error) {
      if (init?.signal?.aborted) throw init.signal.reason;
      return asError(error);
    }
  };
}

async function answer(
  provider: Provider,
  pathname: string,
  { body, signal }: RequestInit,
  created: number,
): Promise<Response> {
  const path = pathname.replace(/^.*?(?=\/(chat\/completions|completions|embeddings|models)$)/, '');
  if (path === '/models') return asJson(await modelList(provider, created));
  const incoming = incomingRequest(path, parsed(body));
  const { attributes } = incoming;
  const call: CallOptions = { signal: signal ?? undefined, ...(attributes && { attributes }) };
  if (incoming.kind === 'embedding') {
    const embedding = await provider.embed(incoming.request, call);
    return asJson(incoming.base64 ? inBase64(embedding) : asEmbeddingList(embedding));
  }
  const { request, stream } = incoming;
  if (stream) return events(provider, request, call, created);
  if (isChat(request)) return asJson(asChatCompletion(await provider.chat(request, call), created));
  return asJson(asTextCompletion(await provider.complete(request, call), created));
}

/** Waits for the first piece, so that what refuses the call is an answer with a status. */
async function events(
  provider: Provider,
  request: GenerationRequest,
  call: CallOptions,
  created: number,
): Promise<Response> {
  const stream = provider.stream(request, call);
  const chunks = stream[Symbol.asyncIterator]();
  const first = await chunks.next();
  const head = { id: `cmpl-${crypto.randomUUID()}`, created, model: request.model };
  const shape = isChat(request) ? asChatChunk : asTextChunk;
  async function* pieces(): AsyncGenerator<string> {
    try {
      for (let next = first; !next.done; next = await chunks.next()) yield event(shape(head, next.value));
      yield event({
        ...shape(head, { index: 0, text: '' }),
        choices: [],
        usage: asUsage(await stream.result),
      });
      yield 'data: [DONE]\n\n';
    } catch (error) {
      yield event(errorBody(error));
    } finally {
      await chunks.return?.();
    }
  }
  const body = ReadableStream.from(pieces()).pipeThrough(new TextEncoderStream());
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

async function modelList(provider: Provider, created: number) {
  const models = await provider.listModels();
  const data = models.map(({ id }) => ({ id, object: 'model', created, owned_by: provider.name }));
  return { object: 'list', data };
}

/** Little-endian floats, as the official client asks for them. */
function inBase64(embedding: Embedding) {
  const list = asEmbeddingList(embedding);
  const data = list.data.map((each, i) => {
    const { buffer, byteOffset, byteLength } = embedding.vectors[i]!;
    return { ...each, embedding: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
  });
  return { ...list, data };
}

function parsed(body: RequestInit['body']): WireBody {
  try {
    const value: unknown = JSON.parse(String(body));
    if (typeof value === 'object' && value !== null) return value as WireBody;
  } catch {
    // the same answer
  }
  throw new InvalidInputError('INHOUSE_INVALID_TEXT', 'OpenAI request: the body is not a JSON object.');
}

function event(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

function asJson(data: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify(data), {
    status,
    headers: { 'content-type': 'application/json', ...headers },
  });
}

function asError(error: unknown): Response {
  const { code, status } = errorFacts(error);
  const [wireStatus] = WIRE_ERRORS[code] ?? [status];
  return asJson(errorBody(error), wireStatus, { 'x-should-retry': 'false' });
}

function errorBody(error: unknown) {
  const { code, message, status } = errorFacts(error);
  const [, wireCode] = WIRE_ERRORS[code] ?? [status, code];
  const type = status >= 500 ? 'server_error' : 'invalid_request_error';
  return { error: { message, type, param: null, code: wireCode } };
}

/** Of an error that is not ours nothing but its existence leaves. */
function errorFacts(error: unknown): {
  readonly code: string;
  readonly status: number;
  readonly message: string;
} {
  if (error instanceof InhouseError) return error;
  return { code: 'INHOUSE_INTERNAL', status: 500, message: 'The call failed.' };
}
