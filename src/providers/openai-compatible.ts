// The provider for every server that speaks OpenAI's HTTP API: vLLM, Anyscale, Together, and many more.
// One request per call: to try again is governance's business.
import { InhouseError, ProviderError } from '../errors.js';
import { checkOptions, rule } from '../options.js';
import { completionStream } from './completion-stream.js';
import { HttpEndpoint } from './http-endpoint.js';
import { Interruption, withUsage } from './interruption.js';
import { malformed, readModels, readReply, readUsage, readVectors } from './openai-reply.js';
import { embedBody, generationBody } from './openai-request.js';
import {
  type CallOptions,
  type ChatRequest,
  type Completion,
  type CompletionChunk,
  type CompletionRequest,
  type CompletionStream,
  type Embedding,
  type EmbedRequest,
  type GenerationRequest,
  type Health,
  isChat,
  isEmbed,
  type ModelDescription,
  NO_USAGE,
  type Provider,
  type Usage,
} from './provider.js';
import { ReplyBuilder } from './reply-builder.js';
import { CALL_RULES, checkEmbedding, checkGeneration } from './request.js';
import { eventData } from './sse.js';

export interface OpenAiCompatibleOptions {
  /** Such as 'http://localhost:8000/v1'. */
  readonly baseUrl: string;
  /** Slug of the provider. Default 'openai-compatible'. */
  readonly name?: string;
  /** Gives the key, asked anew at every request; undefined sends none. Default: what `apiKeyVariable` names. */
  readonly apiKey?: () => string | undefined | Promise<string | undefined>;
  /** Environment variable with the key. Default: none, so that no key goes to an address it was not meant for. */
  readonly apiKeyVariable?: string;
  /**
   * Most milliseconds a call may take, from request to last byte. Default 300 000. A connection must stand within 10
   * seconds, and no more than 300 may pass without a byte: these are the limits of Node's `fetch`.
   */
  readonly timeoutMs?: number;
  /** Largest answer to accept. Default 64 MiB. */
  readonly maxResponseBytes?: number;
  /** What the endpoint's own list of models does not tell: their uses and context lengths. */
  readonly catalogue?: readonly ModelDescription[];
  /** Name of the request field that keeps the cached work of tenants apart, such as vLLM's 'cache_salt'. */
  readonly tenantField?: string;
}

const HEALTH_LIMIT_MS = 10_000;
const BYTES_PER_TOKEN = 4;
const TOKENS_PER_MESSAGE = 4;

const RULES = {
  baseUrl: rule.text,
  name: rule.text,
  apiKey: rule.function,
  apiKeyVariable: rule.text,
  timeoutMs: CALL_RULES.timeoutMs,
  maxResponseBytes: rule.integer(1),
  catalogue: rule.arrayOf('model descriptions', (model) => typeof model === 'object' && model !== null),
  tenantField: rule.text,
};

/** @throws InvalidInputError for options that cannot be */
export function openAiCompatible(options: OpenAiCompatibleOptions): Provider {
  checkOptions('openAiCompatible', options, RULES);
  return new OpenAiCompatible(options);
}

class OpenAiCompatible implements Provider {
  readonly name: string;
  readonly kind = 'remote';
  readonly capabilities = { embeddings: true, tokenIds: true, exactTokenCounts: false };
  readonly #endpoint: HttpEndpoint;
  readonly #timeoutMs: number;
  readonly #catalogue: ReadonlyMap<string, ModelDescription>;
  readonly #tenantField: string | undefined;

  constructor(options: OpenAiCompatibleOptions) {
    const { baseUrl, apiKeyVariable, catalogue = [] } = options;
    this.name = options.name ?? 'openai-compatible';
    this.#timeoutMs = options.timeoutMs ?? 300_000;
    this.#catalogue = new Map(catalogue.map((model) => [model.id, model]));
    this.#tenantField = options.tenantField;
    this.#endpoint = new HttpEndpoint({
      name: this.name,
      baseUrl,
      apiKey: options.apiKey ?? (apiKeyVariable ? () => process.env[apiKeyVariable] : undefined),
      apiKeyVariable,
      maxResponseBytes: options.maxResponseBytes ?? 64 * 2 ** 20,
    });
  }

  async complete(request: CompletionRequest, call?: CallOptions): Promise<Completion> {
    checkGeneration('complete', request, call);
    return this.#generate(request, call);
  }

  async chat(request: ChatRequest, call?: CallOptions): Promise<Completion> {
    checkGeneration('chat', request, call);
    return this.#generate(request, call);
  }

  stream(request: GenerationRequest, call?: CallOptions): CompletionStream {
    return completionStream(async (emit, readerLeft) => {
      checkGeneration('stream', request, call);
      using interruption = new Interruption(call, this.#timeoutMs, readerLeft);
      const builder = this.#builder(request, true);
      const body = generationBody(request, call, { stream: true, tenantField: this.#tenantField });
      let answer: Response | undefined;
      try {
        answer = await this.#endpoint.request(pathOf(request), body, interruption.signal);
        await this.#receive(answer, builder, emit);
      } catch (error) {
        if (interruption.readerLeft) return builder.completion('abort', answer ? builder.usage : NO_USAGE);
        const failure = interruption.error() ?? error;
        throw answer ? withBilled(failure, builder.usage) : failure;
      }
      return builder.completion('other');
    });
  }

  async embed(request: EmbedRequest, call?: CallOptions): Promise<Embedding> {
    checkEmbedding(request, call);
    const startedAt = performance.now();
    let counted: Usage | undefined;
    const usage = (): Usage => {
      if (counted) return counted;
      const promptTokens = this.countTokens(request);
      return { promptTokens, completionTokens: 0, totalTokens: promptTokens, estimated: true };
    };
    const read = (answer: unknown) => {
      const reply = readReply(this.name, answer);
      try {
        return readVectors(this.name, reply, [request.input].flat().length);
      } finally {
        counted = readUsage(this.name, reply);
      }
    };
    const vectors = await this.#json('/embeddings', embedBody(request), call, read, usage);
    return {
      provider: this.name,
      model: request.model,
      vectors,
      usage: usage(),
      timings: { totalMs: performance.now() - startedAt },
    };
  }

  /** An estimate: four bytes of UTF-8 a token, and four tokens around every message. */
  countTokens(request: GenerationRequest | EmbedRequest): number {
    if (isChat(request))
      return request.messages.reduce(
        (sum, { content }) => sum + TOKENS_PER_MESSAGE + estimatedTokens(content),
        0,
      );
    if (isEmbed(request)) return [request.input].flat().reduce((sum, text) => sum + estimatedTokens(text), 0);
    return typeof request.prompt === 'string' ? estimatedTokens(request.prompt) : request.prompt.length;
  }

  async listModels(): Promise<readonly ModelDescription[]> {
    const read = (reply: unknown) => readModels(this.name, reply);
    const models = await this.#json('/models', undefined, undefined, read);
    return models.map(({ id, use, contextLength }) => {
      const known = this.#catalogue.get(id);
      return { id, use: known?.use ?? use, contextLength: contextLength ?? known?.contextLength };
    });
  }

  /** Asks for the list of models. */
  async health(): Promise<Health> {
    const startedAt = performance.now();
    const limits = { timeoutMs: HEALTH_LIMIT_MS };
    const problem = await this.#json('/models', undefined, limits, () => undefined).then(
      () => undefined,
      (error: Error) => error.message,
    );
    const latencyMs = performance.now() - startedAt;
    return problem === undefined ? { ok: true, latencyMs } : { ok: false, latencyMs, problem };
  }

  async #generate(request: GenerationRequest, call: CallOptions | undefined): Promise<Completion> {
    const builder = this.#builder(request, false);
    const body = generationBody(request, call, { stream: false, tenantField: this.#tenantField });
    const read = (reply: unknown) => {
      builder.add(reply);
      builder.requireChoices();
      return builder.completion('other');
    };
    return this.#json(pathOf(request), body, call, read, () => builder.usage);
  }

  /** Resolves when the stream has ended as it should. */
  async #receive(
    answer: Response,
    builder: ReplyBuilder,
    emit: (chunk: CompletionChunk) => void,
  ): Promise<void> {
    let done = false;
    for await (const data of eventData(this.#endpoint.bytes(answer))) {
      done ||= data === '[DONE]'; // read on to the end, so that the connection can serve again
      if (done) continue;
      for (const chunk of builder.add(this.#parsed(data))) emit(chunk);
    }
    if (!done && !builder.finished) {
      const message = `${this.name} ended its stream before the completion was whole.`;
      throw new ProviderError('INHOUSE_PROVIDER_DISCONNECTED', message);
    }
    builder.requireChoices();
  }

  /** `spent` is asked when the call fails after its answer has begun: before, nobody here knows whether anything ran. */
  async #json<T>(
    path: string,
    body: unknown,
    call: CallOptions | undefined,
    read: (reply: unknown) => T,
    spent?: () => Usage,
  ): Promise<T> {
    using interruption = new Interruption(call, this.#timeoutMs);
    let answer: Response | undefined;
    try {
      answer = await this.#endpoint.request(path, body, interruption.signal);
      return read(await this.#endpoint.json(answer));
    } catch (error) {
      const failure = interruption.error() ?? error;
      throw answer && spent ? withBilled(failure, spent()) : failure;
    }
  }

  #parsed(data: string): unknown {
    try {
      return JSON.parse(data);
    } catch {
      throw malformed(this.name, 'an event that is not JSON');
    }
  }

  #builder(request: GenerationRequest, streamed: boolean): ReplyBuilder {
    return new ReplyBuilder({
      provider: this.name,
      model: request.model,
      streamed,
      choices: request.n ?? 1,
      estimatedPromptTokens: this.countTokens(request),
      now: () => performance.now(),
    });
  }
}

function pathOf(request: GenerationRequest): string {
  return isChat(request) ? '/chat/completions' : '/completions';
}

function estimatedTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/** What came of an answer before it failed will be billed; of one that is an error from its beginning, nothing will. */
function withBilled(error: unknown, usage: Usage): unknown {
  const failedAtOnce =
    error instanceof InhouseError && error.code === 'INHOUSE_PROVIDER_FAILED' && usage.completionTokens === 0;
  return failedAtOnce ? error : withUsage(error, usage);
}
