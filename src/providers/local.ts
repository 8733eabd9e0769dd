// The provider that computes in this process: over loaded models, through their public API.

import type { GenerateOptions } from '../engine/options.js';
import type { TokenLogprobs } from '../engine/sequence.js';
import { InvalidInputError, ModelUnavailableError } from '../errors.js';
import type { GenerationResult } from '../generation.js';
import type { Model } from '../model.js';
import { completionStream } from './completion-stream.js';
import { Interruption, withUsage } from './interruption.js';
import {
  type CallOptions,
  type ChatRequest,
  type ChosenTokenLogprob,
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
import { checkEmbedding, checkGeneration } from './request.js';
import { TRANSCRIPT_STOP, transcript } from './transcript.js';

/** What the provider needs of a `Model`. */
export type LocalModel = Pick<Model, 'generate' | 'stream' | 'embed' | 'countTokens' | 'detokenize' | 'info'>;

export interface LocalOptions {
  /** Slug of the provider. Default 'gpt2'. */
  readonly name?: string;
}

/** Settings that a request and the options of `Model.generate` call by the same name. */
const SHARED_SETTINGS = [
  'maxTokens',
  'temperature',
  'topP',
  'topK',
  'minP',
  'frequencyPenalty',
  'presencePenalty',
  'repetitionPenalty',
  'stop',
  'seed',
  'n',
  'logitBias',
  'logprobs',
] as const;

const HEALTH_LIMIT_MS = 10_000;

/**
 * Serves one loaded model under its own id, or several under names of your choice. The models stay the caller's: to
 * dispose of them is not the provider's business. A conversation becomes a plain transcript (`transcript.ts`): GPT-2
 * has no chat template. Embeddings are the mean of the last hidden states. A call's `tenant` is its cache namespace:
 * prefixes are reused within a tenant, never across.
 */
export function local(
  models: LocalModel | ReadonlyMap<string, LocalModel>,
  options: LocalOptions = {},
): Provider {
  const named = models instanceof Map ? models : new Map([[(models as LocalModel).info().id, models]]);
  return new LocalProvider(named as ReadonlyMap<string, LocalModel>, options.name ?? 'gpt2');
}

class LocalProvider implements Provider {
  readonly name: string;
  readonly kind = 'local';
  readonly capabilities = { embeddings: true, tokenIds: true, exactTokenCounts: true };
  readonly #models: ReadonlyMap<string, LocalModel>;
  readonly #contextLengths = new Map<string, number>();

  constructor(models: ReadonlyMap<string, LocalModel>, name: string) {
    if (models.size === 0)
      throw new InvalidInputError('INHOUSE_INVALID_OPTION', 'local: pass at least one loaded model.');
    this.#models = models;
    this.name = name;
    for (const [id, model] of models) this.#contextLengths.set(id, model.info().contextLength);
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
      const model = this.#model(request.model);
      using interruption = new Interruption(call, undefined, readerLeft);
      interruption.throwIfInterrupted();
      const stream = model.stream(
        promptOf(request),
        generateOptions(request, interruption.signal, call?.tenant),
      );
      for await (const chunk of stream) emit(chunk as CompletionChunk);
      return this.#toCompletion(request.model, model, await stream.result, interruption);
    });
  }

  async embed(request: EmbedRequest, call?: CallOptions): Promise<Embedding> {
    checkEmbedding(request, call);
    const model = this.#model(request.model);
    using interruption = new Interruption(call);
    const startedAt = performance.now();
    const inputs = inputsOf(request);
    const vectors: Float32Array[] = [];
    try {
      for (const text of inputs) {
        interruption.throwIfInterrupted();
        vectors.push(await model.embed(text, { signal: interruption.signal }));
      }
    } catch (error) {
      const reason = interruption.error() ?? error;
      if (vectors.length === 0) throw reason;
      throw withUsage(reason, inputUsage(model, inputs.slice(0, vectors.length)));
    }
    return {
      provider: this.name,
      model: request.model,
      vectors,
      usage: inputUsage(model, inputs),
      timings: { totalMs: performance.now() - startedAt },
    };
  }

  countTokens(request: GenerationRequest | EmbedRequest): number {
    const model = this.#model(request.model);
    if (isEmbed(request)) return inputUsage(model, inputsOf(request)).promptTokens;
    const prompt = promptOf(request);
    return typeof prompt === 'string' ? model.countTokens(prompt) : prompt.length;
  }

  contextLength(model: string): number | undefined {
    return this.#contextLengths.get(model);
  }

  async listModels(): Promise<readonly ModelDescription[]> {
    return [...this.#models].map(([id, model]) => ({
      id,
      use: 'text',
      contextLength: model.info().contextLength,
    }));
  }

  /** Generates one token with the first model. */
  async health(): Promise<Health> {
    const startedAt = performance.now();
    const problem = await this.#generate(
      { model: this.#models.keys().next().value as string, prompt: [0], maxTokens: 1 },
      { timeoutMs: HEALTH_LIMIT_MS },
    ).then(
      () => undefined,
      (error: Error) => error.message,
    );
    const latencyMs = performance.now() - startedAt;
    return problem === undefined ? { ok: true, latencyMs } : { ok: false, latencyMs, problem };
  }

  async #generate(request: GenerationRequest, call: CallOptions | undefined): Promise<Completion> {
    const model = this.#model(request.model);
    using interruption = new Interruption(call);
    interruption.throwIfInterrupted();
    const result = await model.generate(
      promptOf(request),
      generateOptions(request, interruption.signal, call?.tenant),
    );
    return this.#toCompletion(request.model, model, result, interruption);
  }

  #model(name: string): LocalModel {
    const model = this.#models.get(name);
    if (model) return model;
    const served = [...this.#models.keys()];
    throw new ModelUnavailableError(
      'INHOUSE_MODEL_NOT_SERVED',
      `${this.name} does not serve a model "${name}". It serves: ${served.join(', ')}.`,
      { details: { model: name, served } },
    );
  }

  #toCompletion(
    name: string,
    model: LocalModel,
    { text, finishReason, choices, usage: whole, timings }: GenerationResult,
    interruption: Interruption,
  ): Completion {
    const cut = choices.some((choice) => choice.finishReason === 'abort');
    const { computeMs } = timings;
    const usage = cut && computeMs === 0 ? NO_USAGE : whole;
    if (cut && !interruption.readerLeft) interruption.throwIfInterrupted({ usage, computeMs });
    return {
      id: `cmpl-${crypto.randomUUID()}`,
      provider: this.name,
      model: name,
      text,
      finishReason,
      choices: choices.map(({ index, text, finishReason, tokens, logprobs }) => ({
        index,
        text,
        finishReason,
        tokens,
        ...(logprobs && { logprobs: logprobs.map((chosen) => inText(model, chosen)) }),
      })),
      usage,
      timings,
    };
  }
}

function promptOf(request: GenerationRequest): string | readonly number[] {
  return isChat(request) ? transcript(request.messages) : request.prompt;
}

function inputsOf({ input }: EmbedRequest): readonly string[] {
  return typeof input === 'string' ? [input] : input;
}

function inputUsage(model: LocalModel, inputs: readonly string[]): Usage {
  const promptTokens = inputs.reduce((sum, text) => sum + model.countTokens(text), 0);
  return { promptTokens, completionTokens: 0, totalTokens: promptTokens };
}

function generateOptions(
  request: GenerationRequest,
  signal: AbortSignal,
  tenant: string | undefined,
): GenerateOptions {
  const options: Record<string, unknown> = { signal, cacheNamespace: tenant };
  for (const name of SHARED_SETTINGS) options[name] = request[name];
  if (isChat(request)) options.stop = [TRANSCRIPT_STOP, ...[request.stop ?? []].flat()];
  return options;
}

function inText(model: LocalModel, { token, logprob, top }: TokenLogprobs): ChosenTokenLogprob {
  return {
    text: model.detokenize([token]),
    logprob,
    top: top.map((other) => ({ text: model.detokenize([other.token]), logprob: other.logprob })),
  };
}
