// A provider without a model: a canned answer after a simulated service time, and faults on demand, all of it the same
// at every run. For tests, and to measure what is around a provider rather than the provider itself.
import { setTimeout as sleepFor } from 'node:timers/promises';
import { InvalidInputError, ModelUnavailableError } from '../errors.js';
import { checkOptions, rule } from '../options.js';
import { completionStream } from './completion-stream.js';
import { Interruption } from './interruption.js';
import {
  type CallOptions,
  type ChatRequest,
  type Choice,
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
  type Provider,
  type Usage,
} from './provider.js';
import { checkEmbedding, checkGeneration, LONGEST_TIMER_MS } from './request.js';
import type { FaultPlan } from './stub-plans.js';

export interface StubOptions {
  /** Default 'stub'. */
  readonly name?: string;
  /** Default 'local'. */
  readonly kind?: Provider['kind'];
  /** Default ['gpt2']. */
  readonly models?: readonly string[];
  /** What it always answers, up to `maxTokens` and stop texts. A token is four characters. */
  readonly text?: string;
  /** In tokens. Default 1024. */
  readonly contextLength?: number;
  /** Milliseconds from a call to its answer; Infinity hangs. `call` counts from 0. Default 0: answered at once. */
  readonly serviceMs?: number | ((call: number) => number);
  /** What call number `call` throws after its service time, if anything. Default: nothing. */
  readonly fault?: FaultPlan;
  /** In a stream, how many tokens come before the fault. Default 0. */
  readonly tokensBeforeFault?: number;
  /** Waits, or rejects when the signal aborts. Default: real time. */
  readonly sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
  /** Milliseconds. Default: real time. */
  readonly now?: () => number;
}

const TOKEN_LENGTH = 4;
const EMBEDDING_WIDTH = 8;
const DEFAULT_TEXT = ' The quick brown fox jumps over the lazy dog, and nobody minds.';

const RULES = {
  name: rule.text,
  kind: rule.oneOf('local', 'remote'),
  models: rule.arrayOf('model names', (name) => typeof name === 'string'),
  text: rule.text,
  contextLength: rule.integer(1),
  serviceMs: (value: unknown) =>
    typeof value === 'function' || (typeof value === 'number' && value >= 0)
      ? undefined
      : 'milliseconds, 0 or more, or a function of the number of the call',
  fault: rule.function,
  tokensBeforeFault: rule.integer(0),
  sleep: rule.function,
  now: rule.function,
};

export function stub(options: StubOptions = {}): Provider {
  checkOptions('stub', options, RULES);
  return new StubProvider(options);
}

class StubProvider implements Provider {
  readonly name: string;
  readonly kind: Provider['kind'];
  readonly capabilities = { embeddings: true, tokenIds: true, exactTokenCounts: true };
  readonly #models: readonly string[];
  readonly #text: string;
  readonly #contextLength: number;
  readonly #serviceMs: (call: number) => number;
  readonly #fault: FaultPlan;
  readonly #tokensBeforeFault: number;
  readonly #sleep: (ms: number, signal: AbortSignal) => Promise<unknown>;
  readonly #now: () => number;
  #calls = 0;

  constructor(options: StubOptions) {
    const { serviceMs = 0 } = options;
    this.name = options.name ?? 'stub';
    this.kind = options.kind ?? 'local';
    this.#models = options.models ?? ['gpt2'];
    this.#text = options.text ?? DEFAULT_TEXT;
    this.#contextLength = options.contextLength ?? 1024;
    this.#serviceMs = typeof serviceMs === 'function' ? serviceMs : () => serviceMs;
    this.#fault = options.fault ?? (() => undefined);
    this.#tokensBeforeFault = options.tokensBeforeFault ?? 0;
    this.#sleep = options.sleep ?? sleep;
    this.#now = options.now ?? (() => performance.now());
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
      return this.#streamed(request, call, emit, readerLeft);
    });
  }

  async embed(request: EmbedRequest, call?: CallOptions): Promise<Embedding> {
    checkEmbedding(request, call);
    this.#requireModel(request.model);
    const startedAt = this.#now();
    await this.#serve(call);
    const texts = typeof request.input === 'string' ? [request.input] : request.input;
    return {
      provider: this.name,
      model: request.model,
      vectors: texts.map(vectorOf),
      usage: usage(this.countTokens(request), 0),
      timings: { totalMs: this.#now() - startedAt },
    };
  }

  /** Four characters are a token; every message begins with one more. */
  countTokens(request: GenerationRequest | EmbedRequest): number {
    if (isChat(request)) return request.messages.reduce((sum, { content }) => sum + 1 + tokensIn(content), 0);
    if (isEmbed(request)) return [request.input].flat().reduce((sum, text) => sum + tokensIn(text), 0);
    return typeof request.prompt === 'string' ? tokensIn(request.prompt) : request.prompt.length;
  }

  contextLength(): number {
    return this.#contextLength;
  }

  async listModels(): Promise<readonly ModelDescription[]> {
    return this.#models.map((id) => ({ id, use: 'text', contextLength: this.#contextLength }));
  }

  async health(): Promise<Health> {
    return { ok: true, latencyMs: 0 };
  }

  async #generate(request: GenerationRequest, call: CallOptions | undefined): Promise<Completion> {
    const promptTokens = this.#admit(request);
    const startedAt = this.#now();
    await this.#serve(call);
    return this.#completion(request, promptTokens, this.#choice(request), startedAt);
  }

  /** The service time is spread over the tokens of the first choice. */
  async #streamed(
    request: GenerationRequest,
    call: CallOptions | undefined,
    emit: (chunk: CompletionChunk) => void,
    readerLeft: AbortSignal,
  ): Promise<Completion> {
    const promptTokens = this.#admit(request);
    using interruption = new Interruption(call, undefined, readerLeft);
    const number = this.#calls++;
    const startedAt = this.#now();
    const fault = this.#fault(number);
    const choice = this.#choice(request);
    const tokens = tokensIn(choice.text);
    const waitMs = this.#serviceMs(number) / Math.max(1, tokens);
    let firstAt: number | undefined;
    for (let token = 0; token < Math.max(1, tokens); token++) {
      await this.#sleep(waitMs, interruption.signal).catch(() => {});
      const text = choice.text.slice(0, token * TOKEN_LENGTH);
      if (interruption.readerLeft) {
        const cut = { ...choice, text, finishReason: 'abort' as const };
        return this.#completion(request, promptTokens, cut, startedAt, firstAt);
      }
      const spent = token > 0 ? { usage: usage(promptTokens, token * (request.n ?? 1)) } : undefined;
      interruption.throwIfInterrupted(spent);
      if (fault !== undefined && token >= this.#tokensBeforeFault) throw fault;
      firstAt ??= this.#now();
      const piece = choice.text.slice(text.length, text.length + TOKEN_LENGTH);
      const finishReason = token >= tokens - 1 ? { finishReason: choice.finishReason } : {};
      for (let index = 0; index < (request.n ?? 1); index++) emit({ index, text: piece, ...finishReason });
    }
    if (fault !== undefined) throw fault;
    return this.#completion(request, promptTokens, choice, startedAt, firstAt);
  }

  /** Takes the service time, then throws the call's fault, if it has one. */
  async #serve(call: CallOptions | undefined): Promise<void> {
    const number = this.#calls++;
    const ms = this.#serviceMs(number);
    if (ms > 0 || call?.signal?.aborted) {
      using interruption = new Interruption(call);
      await this.#sleep(ms, interruption.signal).catch(() => {});
      interruption.throwIfInterrupted();
    }
    const fault = this.#fault(number);
    if (fault !== undefined) throw fault;
  }

  #requireModel(model: string): void {
    if (this.#models.includes(model)) return;
    throw new ModelUnavailableError(
      'INHOUSE_MODEL_NOT_SERVED',
      `${this.name} does not serve a model "${model}". It serves: ${this.#models.join(', ')}.`,
      { details: { model, served: this.#models } },
    );
  }

  /** Returns the number of prompt tokens. */
  #admit(request: GenerationRequest): number {
    this.#requireModel(request.model);
    const promptTokens = this.countTokens(request);
    const contextLength = this.#contextLength;
    const { maxTokens = 1 } = request;
    if (promptTokens + maxTokens <= contextLength + 1) return promptTokens;
    throw new InvalidInputError(
      'INHOUSE_CONTEXT_OVERFLOW',
      `A prompt of ${promptTokens} tokens and maxTokens ${maxTokens} exceed the context of ${contextLength}.`,
      { details: { promptTokens, maxTokens, contextLength } },
    );
  }

  #choice({ maxTokens = Number.POSITIVE_INFINITY, stop }: GenerationRequest): Choice {
    let text = this.#text;
    for (const end of stop === undefined ? [] : [stop].flat()) {
      const at = text.indexOf(end);
      if (at >= 0) text = text.slice(0, at);
    }
    if (tokensIn(text) <= maxTokens) return { index: 0, text, finishReason: 'stop' };
    return { index: 0, text: text.slice(0, maxTokens * TOKEN_LENGTH), finishReason: 'length' };
  }

  #completion(
    { model, n = 1 }: GenerationRequest,
    promptTokens: number,
    first: Choice,
    startedAt: number,
    firstAt?: number,
  ): Completion {
    const choices = [first];
    for (let index = 1; index < n; index++) choices.push({ ...first, index });
    const { text, finishReason } = first;
    return {
      id: `cmpl-${crypto.randomUUID()}`,
      provider: this.name,
      model,
      text,
      finishReason,
      choices,
      usage: usage(promptTokens, n * tokensIn(text)),
      timings: {
        queueMs: 0,
        timeToFirstTokenMs: firstAt === undefined ? undefined : firstAt - startedAt,
        totalMs: this.#now() - startedAt,
      },
    };
  }
}

function tokensIn(text: string): number {
  return Math.ceil(text.length / TOKEN_LENGTH);
}

function usage(promptTokens: number, completionTokens: number): Usage {
  return { promptTokens, completionTokens, totalTokens: promptTokens + completionTokens };
}

/** Of unit length, and alike only for like texts. */
function vectorOf(text: string): Float32Array {
  const vector = new Float32Array(EMBEDDING_WIDTH);
  for (let i = 0; i < text.length; i++) vector[i % EMBEDDING_WIDTH]! += text.charCodeAt(i) * (1 + i / 97);
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await sleepFor(Math.min(ms, LONGEST_TIMER_MS), undefined, { signal });
}
