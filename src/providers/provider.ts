// What a provider of completions is, local or remote: the contract that governance wraps and users call.
// Nothing about governance lives in a provider: no retry, no budget, no breaker, no telemetry.

export interface Provider {
  /** Slug in metrics, prices and attributes, such as 'gpt2' or 'vllm'. */
  readonly name: string;
  readonly kind: 'local' | 'remote';
  readonly capabilities: Capabilities;

  /** Continues a text. Rejects as `CallOptions` says. */
  complete(request: CompletionRequest, call?: CallOptions): Promise<Completion>;
  /** Answers a conversation. */
  chat(request: ChatRequest, call?: CallOptions): Promise<Completion>;
  /** Either of the two, piece by piece. Never throws: what fails it rejects `result` and ends the iteration. */
  stream(request: GenerationRequest, call?: CallOptions): CompletionStream;
  embed(request: EmbedRequest, call?: CallOptions): Promise<Embedding>;

  /** Tokens of the input: exact where `capabilities.exactTokenCounts`, else an estimate. */
  countTokens(request: GenerationRequest | EmbedRequest): number;
  /** Positions of a model, prompt and completion together. Undefined where the provider does not know. */
  contextLength?(model: string): number | undefined;
  /** Of a provider over others: those that may serve the request. Undefined where it serves itself. */
  targets?(request: GenerationRequest | EmbedRequest): readonly Target[] | undefined;
  listModels(): Promise<readonly ModelDescription[]>;
  /** Whether it could serve now. Never rejects. */
  health(): Promise<Health>;
}

/** One that may serve a request, and what it would be asked. */
export interface Target {
  readonly provider: Provider;
  readonly request: GenerationRequest | EmbedRequest;
}

export interface Capabilities {
  readonly embeddings: boolean;
  /** Prompts may be token ids; completions report their tokens. */
  readonly tokenIds: boolean;
  readonly exactTokenCounts: boolean;
}

/**
 * How a call may end early. With `InvalidInputError` when the request cannot be served as it is, `ModelUnavailableError`
 * when its model is not one of the provider's, `TimeoutError` when time is up, `AbortedError` when `signal` aborts,
 * `ProviderError` when a remote provider fails, and what `Model` throws for a local one.
 * `details.usage` of an error tells the tokens spent by then. It is missing or zero where nothing ran, and missing where a
 * remote answer had not begun: nobody knows then.
 */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Most milliseconds the whole call may take. Default: the provider's own limit; a local one has none. */
  readonly timeoutMs?: number | undefined;
  /** Calls of different tenants never share cached work. */
  readonly tenant?: string | undefined;
  /** Told by a provider over others, each time before it asks one of them, whom and for which model. */
  readonly onTarget?: ((provider: Provider, model: string) => void) | undefined;
}

/** Settings that are not given take the provider's default. */
export interface SamplingRequest {
  readonly model: string;
  /** Most tokens to generate per choice. */
  readonly maxTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly topK?: number | undefined;
  readonly minP?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  /** Texts that end the generation; not part of the result. */
  readonly stop?: string | readonly string[] | undefined;
  readonly seed?: number | undefined;
  /** Number of choices. Default 1. */
  readonly n?: number | undefined;
  /** Added to the logits of these token ids. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined;
  /** Report each token's log-probability and that of this many alternatives. Default off. */
  readonly logprobs?: number | undefined;
}

export interface CompletionRequest extends SamplingRequest {
  /** Text, or token ids where `capabilities.tokenIds`. */
  readonly prompt: string | readonly number[];
}

export interface ChatRequest extends SamplingRequest {
  readonly messages: readonly Message[];
}

export type GenerationRequest = CompletionRequest | ChatRequest;

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface EmbedRequest {
  readonly model: string;
  readonly input: string | readonly string[];
}

/** 'context': no position left. 'abort': the reader left. 'budget': governance cut it. 'other': a remote's own word. */
export type FinishReason = 'stop' | 'length' | 'context' | 'abort' | 'budget' | 'content_filter' | 'other';

export interface Usage {
  readonly promptTokens: number;
  /** Of all choices. */
  readonly completionTokens: number;
  readonly totalTokens: number;
  /** True where a remote provider sent no counts and these are estimates. */
  readonly estimated?: true;
}

/** Of a call that ended before anything ran. */
export const NO_USAGE: Usage = { promptTokens: 0, completionTokens: 0, totalTokens: 0 };

/** Milliseconds; undefined where the provider cannot know, or where there was no token. */
export interface Timings {
  /** From the call to the first work on it. */
  readonly queueMs?: number | undefined;
  /** From the call to the first token, queue included. */
  readonly timeToFirstTokenMs?: number | undefined;
  /** Mean time between tokens after the first. */
  readonly perTokenMs?: number | undefined;
  /** Time of the processors that the call used, its share where several were computed together. */
  readonly computeMs?: number | undefined;
  readonly totalMs: number;
}

export interface TokenLogprob {
  readonly text: string;
  /** Natural logarithm of the probability. */
  readonly logprob: number;
}

export interface ChosenTokenLogprob extends TokenLogprob {
  /** Most probable first. */
  readonly top: readonly TokenLogprob[];
}

export interface Choice {
  readonly index: number;
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly tokens?: readonly number[];
  readonly logprobs?: readonly ChosenTokenLogprob[];
}

/** `text` and `finishReason` are those of the first choice. */
export interface Completion {
  readonly id: string;
  /** Slug of the provider that served it: behind a router, the one that did. */
  readonly provider: string;
  /** What that provider was asked for. */
  readonly model: string;
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly choices: readonly Choice[];
  readonly usage: Usage;
  readonly timings: Timings;
}

export interface CompletionChunk {
  /** Which of the n choices. */
  readonly index: number;
  readonly text: string;
  readonly tokens?: readonly number[];
  /** Set on the last chunk of a choice. */
  readonly finishReason?: FinishReason;
}

/**
 * Iterate, once, for the chunks; `result` resolves with the whole when the last has come. The work begins at once and
 * goes on without a reader. Leaving the loop early ends it: `result` then resolves with what there is, reason 'abort'.
 */
export interface CompletionStream extends AsyncIterable<CompletionChunk> {
  readonly result: Promise<Completion>;
}

export interface Embedding {
  readonly provider: string;
  readonly model: string;
  /** One per input, in their order. */
  readonly vectors: readonly Float32Array[];
  readonly usage: Usage;
  readonly timings: Timings;
}

export interface ModelDescription {
  /** What a request's `model` says. */
  readonly id: string;
  readonly use: 'text' | 'chat' | 'embedding';
  /** Positions, prompt and completion together. */
  readonly contextLength?: number | undefined;
}

export interface Health {
  readonly ok: boolean;
  /** What it took to find out. */
  readonly latencyMs: number;
  /** What is wrong. */
  readonly problem?: string;
}

export function isChat(request: GenerationRequest | EmbedRequest): request is ChatRequest {
  return 'messages' in request;
}

export function isEmbed(request: GenerationRequest | EmbedRequest): request is EmbedRequest {
  return 'input' in request;
}
