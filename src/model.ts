// A loaded model: what users call. Text in, text out; token ids wherever text goes.
import type { Checkpoint } from './checkpoint/checkpoint.js';
import type { ResolvedModel } from './checkpoint/resolve.js';
import { ChunkChannel } from './engine/chunk-channel.js';
import type { DisposeOptions, Engine, EngineStatistics } from './engine/engine.js';
import type { Metric } from './engine/metrics.js';
import type { GenerateOptions } from './engine/options.js';
import type { StreamChunk } from './engine/sequence.js';
import { InvalidInputError } from './errors.js';
import {
  encodePrompt,
  type GenerationContext,
  type GenerationResult,
  type Prompt,
  prepareGeneration,
  requireTokenizer,
} from './generation.js';
import { checkOptions, rule } from './options.js';
import type { DeviceStatistics, Runner, RunnerInfo, RunnerStatistics } from './runtime/runner.js';
import { checkScoreOptions, type Score, type ScoreOptions, scoreTokens } from './scoring/score.js';
import type { Tokenizer } from './tokenizer/tokenizer.js';

/** Iterate for the chunks; `result` resolves with the whole when the last has come. Leaving the loop early aborts. */
export interface GenerationStream extends AsyncIterable<StreamChunk> {
  readonly result: Promise<GenerationResult>;
}

export interface TokenizeOptions {
  /** Read special tokens such as `<|endoftext|>` as one id each. Default false: they are plain text. */
  readonly allowSpecialTokens?: boolean;
}

export interface EmbedOptions extends TokenizeOptions {
  /** 'mean' (default) averages the final hidden states of all tokens; 'last' takes that of the last one. */
  readonly pooling?: 'mean' | 'last';
  /** Scale to unit length. Default false. */
  readonly normalize?: boolean;
  /** The promise rejects with the signal's reason at once. */
  readonly signal?: AbortSignal;
}

export interface ModelInfo extends RunnerInfo {
  readonly id: string;
  readonly source: ResolvedModel['source'];
  readonly folder: string;
  readonly parameterCount: number;
  /** Of the weights as stored in this precision. */
  readonly weightBytes: number;
  readonly hasTokenizer: boolean;
  /** Why the device is the CPU where 'auto' was asked for; null otherwise. */
  readonly deviceReason: string | null;
  /** Memory of the device right after loading, null on the CPU; `statistics()` tells how it is now. */
  readonly deviceMemory: DeviceStatistics | null;
  readonly eosTokenIds: readonly number[];
}

export interface ModelStatistics extends RunnerStatistics, EngineStatistics {}

export interface ModelParts {
  readonly resolved: ResolvedModel;
  readonly checkpoint: Checkpoint;
  /** Of the weights in the precision that was loaded. */
  readonly weightBytes: number;
  readonly tokenizer: Tokenizer | undefined;
  readonly runner: Runner;
  readonly engine: Engine;
  /** Why 'auto' took the CPU. */
  readonly deviceReason: string | null;
  /** Right after loading; null on the CPU. */
  readonly deviceMemory: DeviceStatistics | null;
}

const DISPOSE_RULES = { drain: rule.boolean };
const TOKENIZE_RULES = { allowSpecialTokens: rule.boolean };
const EMBED_RULES = {
  ...TOKENIZE_RULES,
  pooling: rule.oneOf('mean', 'last'),
  normalize: rule.boolean,
  signal: rule.signal,
};

export class Model implements AsyncDisposable {
  readonly #parts: ModelParts;
  readonly #context: GenerationContext;

  /** Use `load`. */
  constructor(parts: ModelParts) {
    const { vocabularySize, contextLength, eosTokenIds } = parts.checkpoint.config;
    this.#parts = parts;
    this.#context = { tokenizer: parts.tokenizer, vocabularySize, contextLength, eosTokenIds };
  }

  /**
   * Continues a prompt. Resolves also when aborted (finish reason 'abort'), with what there is.
   * @throws InvalidInputError for a prompt or options that cannot be served, before any work; CheckpointError
   * `INHOUSE_TOKENIZER_MISSING`; QueueFullError when too many wait; TimeoutError after `timeoutMs`, what there was by then
   * in its details; RunnerError when the runtime fails; DisposedError
   */
  async generate(prompt: Prompt, options: GenerateOptions = {}): Promise<GenerationResult> {
    const { request, toResult } = prepareGeneration(this.#context, prompt, options, () => {});
    return toResult(await this.#parts.engine.submit(request));
  }

  /**
   * As `generate`, chunk by chunk; the work begins at once and does not wait for the reader: one that falls behind gets
   * fewer, larger chunks. Throws for bad input; other errors reject `result` and end the iteration.
   */
  stream(prompt: Prompt, options: GenerateOptions = {}): GenerationStream {
    const channel = new ChunkChannel();
    const abandoned = new AbortController();
    const { request, toResult } = prepareGeneration(
      this.#context,
      prompt,
      options,
      (chunk) => channel.push(chunk),
      abandoned.signal,
    );
    const result = this.#parts.engine.submit(request).then(toResult);
    result.then(
      () => channel.end(),
      (error) => channel.fail(error),
    );
    return {
      result,
      [Symbol.asyncIterator]: () => channel.reader(() => abandoned.abort()),
    };
  }

  /**
   * Log-probabilities and perplexity of a text of two or more tokens; longer texts in overlapping windows. Rejects with a
   * QueueFullError when too many calls of `score` and `embed` wait.
   */
  async score(text: Prompt, options: ScoreOptions = {}): Promise<Score> {
    checkScoreOptions(options);
    const ids = this.#encode(text, options);
    const textBytes = typeof text === 'string' ? Buffer.byteLength(text) : null;
    const { runner, engine } = this.#parts;
    return scoreTokens(runner, ids, options, textBytes, (calls, signal) =>
      engine.sideWork.run(calls, signal),
    );
  }

  /**
   * One vector for a text of 1 to contextLength tokens: float32 [width], from the hidden states after the last layer
   * normalisation. Rejects with a QueueFullError as `score` does.
   */
  async embed(text: Prompt, options: EmbedOptions = {}): Promise<Float32Array> {
    checkOptions('embed', options, EMBED_RULES);
    const ids = this.#encode(text, options);
    const { contextLength } = this.#context;
    if (ids.length === 0)
      throw new InvalidInputError('INHOUSE_EMPTY_PROMPT', 'embed needs at least one token.');
    if (ids.length > contextLength) {
      throw new InvalidInputError(
        'INHOUSE_CONTEXT_OVERFLOW',
        `embed got ${ids.length} tokens; the model's context is ${contextLength}. Embed the text in parts.`,
        { details: { tokens: ids.length, contextLength } },
      );
    }
    const { runner, engine } = this.#parts;
    const call = () => runner.embed(ids, options.pooling ?? 'mean');
    const [vector] = await engine.sideWork.run([call], options.signal);
    return options.normalize ? normalized(vector!) : vector!;
  }

  /** The token ids of a text. */
  tokenize(text: string, options: TokenizeOptions = {}): number[] {
    checkOptions('tokenize', options, TOKENIZE_RULES);
    return requireTokenizer(this.#parts.tokenizer).encode(text, {
      allowSpecial: options.allowSpecialTokens ?? false,
    });
  }

  detokenize(ids: readonly number[]): string {
    return requireTokenizer(this.#parts.tokenizer).decode(ids);
  }

  countTokens(text: string, options: TokenizeOptions = {}): number {
    return this.tokenize(text, options).length;
  }

  info(): ModelInfo {
    const { resolved, checkpoint, weightBytes, tokenizer, runner, deviceReason, deviceMemory } = this.#parts;
    return {
      ...runner.info,
      ...resolved,
      parameterCount: checkpoint.parameterCount,
      weightBytes,
      hasTokenizer: tokenizer !== undefined,
      deviceReason,
      deviceMemory,
      eosTokenIds: checkpoint.config.eosTokenIds,
    };
  }

  async statistics(): Promise<ModelStatistics> {
    return { ...(await this.#parts.runner.statistics()), ...this.#parts.engine.statistics() };
  }

  /** What the engine has counted since loading, for an exporter; docs/engine.md says what each metric means. */
  metrics(): readonly Metric[] {
    return this.#parts.engine.metrics();
  }

  /**
   * Frees the model. What is running or waiting fails with a `DisposedError`; with `drain` it comes to its end first.
   * Calling it again does nothing, but without `drain` it cuts short one that drains.
   */
  dispose(options: DisposeOptions = {}): Promise<void> {
    checkOptions('dispose', options, DISPOSE_RULES);
    return this.#parts.engine.dispose(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #encode(text: Prompt, { allowSpecialTokens = false }: TokenizeOptions): readonly number[] {
    return encodePrompt(this.#context, text, allowSpecialTokens);
  }
}

function normalized(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector);
  return length === 0 ? vector : vector.map((value) => value / length);
}
