// A real HTTP server on this machine that speaks OpenAI's protocol for any provider, and misbehaves on demand.
// That its shapes are the protocol's is proven by the official client in test/providers/openai-client.test.ts.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { InhouseError } from '#inhouse/errors.js';
import {
  asChatChunk,
  asChatCompletion,
  asEmbeddingList,
  asTextChunk,
  asTextCompletion,
  asUsage,
} from '#inhouse/providers/openai-shape.js';
import { type GenerationRequest, isChat, type Provider } from '#inhouse/providers/provider.js';

type Body = Readonly<Record<string, unknown>>;

export interface ReceivedRequest {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Body;
  /** Resolves when the connection that brought it is closed or the answer is complete. */
  readonly over: Promise<'answered' | 'closed'>;
}

/** Answers in the server's place. */
export type Misbehaviour = (response: ServerResponse, request: IncomingMessage) => void;

const CREATED = 1_760_000_000;

/** The wire's names and ours. */
const SETTINGS: ReadonlyArray<readonly [string, keyof GenerationRequest]> = [
  ['max_tokens', 'maxTokens'],
  ['temperature', 'temperature'],
  ['top_p', 'topP'],
  ['top_k', 'topK'],
  ['min_p', 'minP'],
  ['frequency_penalty', 'frequencyPenalty'],
  ['presence_penalty', 'presencePenalty'],
  ['repetition_penalty', 'repetitionPenalty'],
  ['stop', 'stop'],
  ['seed', 'seed'],
  ['n', 'n'],
  ['logit_bias', 'logitBias'],
];

/** Status and code as OpenAI has them. */
const WIRE_ERRORS: Readonly<Record<string, readonly [status: number, code: string]>> = {
  INHOUSE_CONTEXT_OVERFLOW: [400, 'context_length_exceeded'],
  INHOUSE_MODEL_NOT_SERVED: [404, 'model_not_found'],
};

export class OpenAiServer implements AsyncDisposable {
  readonly received: ReceivedRequest[] = [];
  /** Answers instead, while it is set. */
  misbehaviour: Misbehaviour | undefined;
  readonly #server: Server;
  readonly #provider: Provider;

  static async start(provider: Provider): Promise<OpenAiServer> {
    const server = new OpenAiServer(provider);
    await new Promise<void>((listening) => server.#server.listen(0, '127.0.0.1', listening));
    return server;
  }

  private constructor(provider: Provider) {
    this.#provider = provider;
    this.#server = createServer((request, response) => {
      this.#receive(request, response).catch((error: unknown) => sendError(response, error));
    });
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`;
  }

  async connections(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await readText(request);
    const body = (text === '' ? {} : JSON.parse(text)) as Body;
    const path = request.url!.replace('/v1', '');
    const over = new Promise<'answered' | 'closed'>((resolve) =>
      response.on('close', () => resolve(response.writableFinished ? 'answered' : 'closed')),
    );
    this.received.push({ path, authorization: request.headers.authorization, body, over });
    if (this.misbehaviour) return this.misbehaviour(response, request);
    await this.#answer(path, body, response);
  }

  async #answer(path: string, body: Body, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    const call = { signal: gone.signal };
    const model = String(body.model);
    if (path === '/models') {
      const models = await this.#provider.listModels();
      return send(response, 200, {
        object: 'list',
        data: models.map(({ id, contextLength }) => ({
          id,
          object: 'model',
          created: CREATED,
          owned_by: 'test',
          max_model_len: contextLength,
        })),
      });
    }
    if (path === '/embeddings') {
      const embedding = await this.#provider.embed({ model, input: body.input as string }, call);
      return send(response, 200, asEmbeddingList(embedding));
    }
    const request = toRequest(path, body);
    if (body.stream) return this.#stream(request, body, response, call);
    const completion = isChat(request)
      ? await this.#provider.chat(request, call)
      : await this.#provider.complete(request, call);
    send(response, 200, (isChat(request) ? asChatCompletion : asTextCompletion)(completion, CREATED));
  }

  async #stream(
    request: GenerationRequest,
    body: Body,
    response: ServerResponse,
    call: { readonly signal: AbortSignal },
  ): Promise<void> {
    const head = { id: 'cmpl-1', created: CREATED, model: request.model };
    const shape = isChat(request) ? asChatChunk : asTextChunk;
    const stream = this.#provider.stream(request, call);
    for await (const chunk of stream) sendEvent(response, shape(head, chunk));
    const { include_usage } = (body.stream_options ?? {}) as Body;
    if (include_usage) {
      const last = {
        ...shape(head, { index: 0, text: '' }),
        choices: [],
        usage: asUsage(await stream.result),
      };
      sendEvent(response, last);
    }
    response.end('data: [DONE]\n\n');
  }
}

export function sendEvent(response: ServerResponse, data: unknown): void {
  if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(`data: ${JSON.stringify(data)}\n\n`);
}

export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { code, status, message } =
    error instanceof InhouseError ? error : { code: 'internal_error', status: 500, message: String(error) };
  const [wireStatus, wireCode] = WIRE_ERRORS[code] ?? [status, code];
  const facts = { message, type: 'invalid_request_error', param: null, code: wireCode };
  send(response, wireStatus, { error: facts });
}

function toRequest(path: string, body: Body): GenerationRequest {
  const request: Record<string, unknown> = { model: body.model };
  for (const [theirs, ours] of SETTINGS) if (body[theirs] !== undefined) request[ours] = body[theirs];
  if (path === '/chat/completions') {
    request.messages = body.messages;
    if (body.logprobs) request.logprobs = body.top_logprobs ?? 0;
  } else {
    request.prompt = body.prompt;
    if (body.logprobs !== undefined) request.logprobs = body.logprobs;
  }
  return request as unknown as GenerationRequest;
}
