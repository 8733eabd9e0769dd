// The options of a generation, in the words users know from other engines, and what they resolve to.
import { randomInt, randomUUID } from 'node:crypto';
import { all, checkOptions, invalidOption, rule } from '../options.js';
import type { SamplingSettings, TokenLogprob } from '../runtime/runner.js';

export interface GenerateOptions {
  /** Names the request in events, errors and its result; must be unlike those of all requests in progress. Default random. */
  readonly id?: string;
  /** Of waiting requests, those of a higher priority get their turn first: 0 (default) to 1000. */
  readonly priority?: number;
  /** Most milliseconds from the call to the last token, waiting included; then it fails with a `TimeoutError`. Default none. */
  readonly timeoutMs?: number;
  /**
   * Requests reuse computed prompts (the prefix cache) of their own namespace only: name one per tenant. Default: one
   * that all requests without a name share.
   */
  readonly cacheNamespace?: string;
  /** Most tokens to generate per choice. Default 128, or as many as the context still holds. */
  readonly maxTokens?: number;
  /** No stop token and no stop string ends the text before this many tokens. Default 0. */
  readonly minTokens?: number;
  /** 0 always takes the most probable token. Default 1. */
  readonly temperature?: number;
  /** Draw among the k most probable tokens; 0 is all. Default 0. */
  readonly topK?: number;
  /** Draw among the smallest set of tokens whose probability reaches topP, in (0, 1]. Default 1. */
  readonly topP?: number;
  /** Draw among tokens at least minP times as probable as the most probable, in [0, 1]. Default 0. */
  readonly minP?: number;
  /** Above 1 makes tokens of the prompt and the output less likely to come again. Default 1. */
  readonly repetitionPenalty?: number;
  /** Subtracted once from the logits of tokens in the output, -2 to 2. Default 0. */
  readonly presencePenalty?: number;
  /** Subtracted for every occurrence in the output, -2 to 2. Default 0. */
  readonly frequencyPenalty?: number;
  /** Integer; the same seed, prompt and options give the same text. Default random, and told in the result. */
  readonly seed?: number;
  /** Text that ends the generation; it is not part of the result. Found also when split over tokens. */
  readonly stop?: string | readonly string[];
  /** Token ids that end the generation, besides the model's own end-of-text token. */
  readonly stopTokenIds?: readonly number[];
  /** Report each token's log-probability and that of this many alternatives, 0 to 20. Default off. */
  readonly logprobs?: number;
  /** Begin the text, and so the first chunk of a stream, with the prompt. Default false. */
  readonly echo?: boolean;
  /** Number of choices, 1 to 64. Default 1. */
  readonly n?: number;
  /** Added to the logits of these token ids, -100 to 100. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /**
   * When prompt and maxTokens together exceed the context. 'strict' (default): an error before any work.
   * 'truncate-left': drop the oldest prompt tokens. 'slide': drop the oldest tokens whenever the context is full.
   */
  readonly contextOverflow?: ContextOverflow;
  /** Read special tokens such as `<|endoftext|>` in the prompt as such rather than as text. Default false. */
  readonly allowSpecialTokens?: boolean;
  /** Ends the generation within one token; the result holds what there is, with finish reason 'abort'. */
  readonly signal?: AbortSignal;
  /** Called for every token as it comes. */
  readonly onToken?: (token: GeneratedToken) => void;
}

export type ContextOverflow = 'strict' | 'truncate-left' | 'slide';

export interface GeneratedToken {
  /** Which of the n choices. */
  readonly index: number;
  readonly token: number;
  /** Text that became complete with this token; may be empty. */
  readonly text: string;
  readonly logprob?: number;
  readonly topLogprobs?: readonly TokenLogprob[];
}

/** Options with every default in place. */
export interface ResolvedOptions {
  readonly id: string;
  readonly priority: number;
  readonly timeoutMs: number | undefined;
  readonly cacheNamespace: string;
  readonly maxTokens: number | undefined;
  readonly n: number;
  readonly echo: boolean;
  readonly stop: readonly string[];
  readonly contextOverflow: ContextOverflow;
  readonly allowSpecialTokens: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onToken: ((token: GeneratedToken) => void) | undefined;
  /** Of choice 0; choice i has stream i. */
  readonly sampling: SamplingSettings;
}

const MOST_TOKENS = 2 ** 31 - 1;
const isTokenId = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isStop = (value: unknown) => typeof value === 'string' && value !== '';

const RULES = {
  id: rule.text,
  priority: rule.integer(0, 1000),
  timeoutMs: rule.above(0),
  cacheNamespace: rule.text,
  maxTokens: rule.integer(1, MOST_TOKENS),
  minTokens: rule.integer(0, MOST_TOKENS),
  temperature: rule.number(0),
  topK: rule.integer(0),
  topP: rule.above(0, 1),
  minP: rule.number(0, 1),
  repetitionPenalty: rule.above(0),
  presencePenalty: rule.number(-2, 2),
  frequencyPenalty: rule.number(-2, 2),
  seed: rule.integer(0),
  stop: (value: unknown) =>
    (Array.isArray(value) ? all(value, isStop) : isStop(value))
      ? undefined
      : 'a non-empty string, or several in an array',
  stopTokenIds: rule.arrayOf('token ids', isTokenId),
  logprobs: rule.integer(0, 20),
  echo: rule.boolean,
  n: rule.integer(1, 64),
  logitBias: isLogitBias,
  contextOverflow: rule.oneOf('strict', 'truncate-left', 'slide'),
  allowSpecialTokens: rule.boolean,
  signal: rule.signal,
  onToken: rule.function,
};

/** Checks the options and puts the defaults in place. `eosTokenIds` always end a text. */
export function resolveOptions(options: GenerateOptions, eosTokenIds: readonly number[]): ResolvedOptions {
  checkOptions('generate', options, RULES);
  const { maxTokens, minTokens = 0, stop = [], logitBias = {} } = options;
  if (maxTokens !== undefined && minTokens > maxTokens) {
    throw invalidOption('generate', 'minTokens', minTokens, `at most maxTokens, ${maxTokens}`);
  }
  return {
    id: options.id ?? randomUUID(),
    priority: options.priority ?? 0,
    timeoutMs: options.timeoutMs,
    cacheNamespace: options.cacheNamespace ?? '',
    maxTokens,
    n: options.n ?? 1,
    echo: options.echo ?? false,
    stop: typeof stop === 'string' ? [stop] : [...stop],
    contextOverflow: options.contextOverflow ?? 'strict',
    allowSpecialTokens: options.allowSpecialTokens ?? false,
    signal: options.signal,
    onToken: options.onToken,
    sampling: {
      temperature: options.temperature ?? 1,
      topK: options.topK ?? 0,
      topP: options.topP ?? 1,
      minP: options.minP ?? 0,
      repetitionPenalty: options.repetitionPenalty ?? 1,
      presencePenalty: options.presencePenalty ?? 0,
      frequencyPenalty: options.frequencyPenalty ?? 0,
      logitBias: { ids: Object.keys(logitBias).map(Number), values: Object.values(logitBias) },
      seed: options.seed ?? randomInt(2 ** 48 - 1),
      stream: 0,
      stopTokenIds: [...new Set([...eosTokenIds, ...(options.stopTokenIds ?? [])])],
      minTokens,
      logprobs: options.logprobs,
    },
  };
}

function isLogitBias(value: unknown): string | undefined {
  const fine =
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).every(
      ([id, bias]) =>
        /^\d+$/.test(id) && isTokenId(Number(id)) && Number.isFinite(bias) && Math.abs(bias) <= 100,
    );
  return fine ? undefined : 'an object of token id to a number from -100 to 100';
}
