// Answers of OpenAI's HTTP API, read with distrust: what is not as the protocol says gets a typed error.
import { ProviderError } from '../errors.js';
import { errorFacts, presentable } from './http-errors.js';
import type { ChosenTokenLogprob, FinishReason, ModelDescription, TokenLogprob, Usage } from './provider.js';

/** One choice of an answer, or what one piece of a stream adds to it. */
export interface ReplyChoice {
  readonly index: number;
  /** Undefined where it says none. */
  readonly text: string | undefined;
  readonly finishReason: FinishReason | undefined;
  readonly logprobs: readonly ChosenTokenLogprob[] | undefined;
}

/** An answer, or one piece of a stream, of which no more is known than that it is an object and no error. */
export type Reply = Readonly<Record<string, unknown>>;

/** A larger count is not a count. */
const MOST_TOKENS = 1_000_000;

const FINISH_REASONS: readonly unknown[] = ['stop', 'length', 'content_filter', 'abort'];

/** @throws ProviderError `INHOUSE_PROVIDER_FAILED` for an error in its place, `INHOUSE_PROVIDER_MALFORMED` */
export function readReply(provider: string, value: unknown): Reply {
  const reply = object(provider, 'the answer', value);
  if (reply.error !== undefined && reply.error !== null) {
    const said = presentable(errorFacts(reply).message ?? 'an error without a message');
    const message = `${provider} failed while it answered: ${said}`;
    throw new ProviderError('INHOUSE_PROVIDER_FAILED', message, { details: { provider } });
  }
  return reply;
}

export function readId({ id }: Reply): string | undefined {
  return typeof id === 'string' && id !== '' ? id : undefined;
}

export function readChoices(provider: string, { choices }: Reply): ReplyChoice[] {
  if (!Array.isArray(choices)) throw malformed(provider, 'choices');
  return choices.map((choice, position) => readChoice(provider, choice, position));
}

/** One vector per input, in their order. */
export function readVectors(provider: string, { data }: Reply, inputs: number): Float32Array[] {
  if (!Array.isArray(data) || data.length !== inputs) throw malformed(provider, 'data');
  const vectors: Float32Array[] = [];
  for (const [position, element] of data.entries()) {
    const { index = position, embedding } = object(provider, 'data', element);
    if (!isCount(index) || index >= inputs || vectors[index]) throw malformed(provider, 'index');
    vectors[index] = readVector(provider, embedding);
  }
  if (vectors.some(({ length }) => length !== vectors[0]!.length)) throw malformed(provider, 'embedding');
  return vectors;
}

/** Undefined where there are no counts. */
export function readUsage(provider: string, { usage }: Reply): Usage | undefined {
  if (usage === undefined || usage === null) return undefined;
  const { prompt_tokens, completion_tokens = 0 } = object(provider, 'usage', usage);
  if (!isCount(prompt_tokens) || !isCount(completion_tokens)) throw malformed(provider, 'usage');
  return {
    promptTokens: prompt_tokens,
    completionTokens: completion_tokens,
    totalTokens: prompt_tokens + completion_tokens,
  };
}

/** OpenAI's list is in `data`; Together's is the answer itself. vLLM and Together tell the context length. */
export function readModels(provider: string, value: unknown): ModelDescription[] {
  const list = Array.isArray(value) ? value : object(provider, 'the answer', value).data;
  if (!Array.isArray(list)) throw malformed(provider, 'data');
  return list.map((element) => {
    const { id, type, max_model_len, context_length } = object(provider, 'data', element);
    if (typeof id !== 'string') throw malformed(provider, 'id');
    const contextLength = [max_model_len, context_length].find(isCount);
    return { id, use: type === 'embedding' ? 'embedding' : 'chat', contextLength };
  });
}

export function malformed(provider: string, part: string): ProviderError {
  return new ProviderError(
    'INHOUSE_PROVIDER_MALFORMED',
    `${provider} sent an answer that is not as the protocol says (${part}). Is its base URL an OpenAI-compatible one?`,
    { details: { provider, part } },
  );
}

/** Numbers that a float of 32 bits can hold. */
function readVector(provider: string, embedding: unknown): Float32Array {
  if (Array.isArray(embedding) && embedding.length > 0 && embedding.every(Number.isFinite)) {
    const vector = Float32Array.from(embedding as number[]);
    if (vector.every(Number.isFinite)) return vector;
  }
  throw malformed(provider, 'embedding');
}

function readChoice(provider: string, value: unknown, position: number): ReplyChoice {
  const choice = object(provider, 'choices', value);
  const { index = position, text, message, delta, finish_reason, logprobs } = choice;
  const said = text ?? object(provider, 'message', message ?? delta ?? {}).content ?? undefined;
  if (!isCount(index)) throw malformed(provider, 'index');
  if (said !== undefined && typeof said !== 'string') throw malformed(provider, 'content');
  return { index, text: said, finishReason: readFinish(finish_reason), logprobs: readLogprobs(logprobs) };
}

function readFinish(reason: unknown): FinishReason | undefined {
  if (typeof reason !== 'string') return undefined;
  return FINISH_REASONS.includes(reason) ? (reason as FinishReason) : 'other';
}

/**
 * Conversations have a list of records, plain completions lists side by side. Neither is worth failing a call for: with
 * one malformed entry, all of them are left out.
 */
function readLogprobs(value: unknown): ChosenTokenLogprob[] | undefined {
  const { content, tokens, token_logprobs, top_logprobs } = Object(value) as Reply;
  const chosen: ChosenTokenLogprob[] = [];
  for (const entry of Array.isArray(content) ? content : rows(tokens, token_logprobs, top_logprobs)) {
    const token = tokenLogprob(entry);
    const others = (entry as Reply | null)?.top_logprobs;
    const top = Array.isArray(others) ? others.map(tokenLogprob) : [];
    if (!token || !top.every((other) => other !== undefined)) return undefined;
    chosen.push({ ...token, top: top.sort((a, b) => b.logprob - a.logprob) });
  }
  return chosen.length > 0 ? chosen : undefined;
}

/** Lists side by side, as a list of records. */
function rows(tokens: unknown, logprobs: unknown, tops: unknown): unknown[] {
  if (!Array.isArray(tokens) || !Array.isArray(logprobs)) return [];
  const others: unknown[] = Array.isArray(tops) ? tops : [];
  return tokens.map((token, i) => ({
    token,
    logprob: logprobs[i],
    top_logprobs: Object.entries(isObject(others[i]) ? others[i] : {}).map(([token, logprob]) => ({
      token,
      logprob,
    })),
  }));
}

function tokenLogprob(entry: unknown): TokenLogprob | undefined {
  const { token, logprob } = Object(entry) as Reply;
  return typeof token === 'string' && Number.isFinite(logprob)
    ? { text: token, logprob: logprob as number }
    : undefined;
}

function object(provider: string, part: string, value: unknown): Reply {
  if (isObject(value)) return value;
  throw malformed(provider, part);
}

function isObject(value: unknown): value is Reply {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_TOKENS;
}
