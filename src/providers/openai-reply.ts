// Answers of OpenAI's HTTP API, read with distrust: what is not as the protocol says gets a typed error.
import { ProviderError } from '../errors.js';
import { errorFacts, presentable } from './http-errors.js';
import type { ChosenTokenLogprob, FinishReason, ModelDescription, TokenLogprob, Usage } from './provider.js';

/** One choice of an answer, or what one piece of a stream adds to it. */
export interface ReplyChoice {
  readonly index: number;
  readonly text: string;
  readonly finishReason: FinishReason | undefined;
  readonly logprobs: readonly ChosenTokenLogprob[] | undefined;
}

/** An answer, or one piece of a stream. */
export interface Reply {
  readonly id: string | undefined;
  readonly choices: readonly ReplyChoice[];
  readonly usage: Usage | undefined;
}

type Json = Readonly<Record<string, unknown>>;

/** A larger count is not a count. */
const MOST_TOKENS = 1_000_000;

const FINISH_REASONS: readonly unknown[] = ['stop', 'length', 'content_filter', 'abort'];

/** Throws `INHOUSE_PROVIDER_FAILED` for an error in the place of a piece, `INHOUSE_PROVIDER_MALFORMED`. */
export function readReply(provider: string, value: unknown): Reply {
  const reply = object(provider, 'the answer', value);
  if (reply.error !== undefined && reply.error !== null) {
    const said = presentable(errorFacts(reply).message ?? 'an error without a message');
    const message = `${provider} failed while it answered: ${said}`;
    throw new ProviderError('INHOUSE_PROVIDER_FAILED', message, { details: { provider } });
  }
  if (!Array.isArray(reply.choices)) throw malformed(provider, 'choices');
  return {
    id: typeof reply.id === 'string' && reply.id !== '' ? reply.id : undefined,
    choices: reply.choices.map((choice) => readChoice(provider, choice)),
    usage: readUsage(provider, reply.usage),
  };
}

/** One vector per input, in their order. */
export function readVectors(provider: string, value: unknown, inputs: number): Float32Array[] {
  const { data } = object(provider, 'the answer', value);
  if (!Array.isArray(data) || data.length !== inputs) throw malformed(provider, 'data');
  const vectors: Float32Array[] = [];
  for (const [position, element] of data.entries()) {
    const { index = position, embedding } = object(provider, 'data', element);
    if (!Array.isArray(embedding) || embedding.length === 0 || !embedding.every(Number.isFinite))
      throw malformed(provider, 'embedding');
    if (!isCount(index) || index >= inputs || vectors[index]) throw malformed(provider, 'index');
    vectors[index] = Float32Array.from(embedding as number[]);
  }
  return vectors;
}

/** Undefined where there are no counts. */
export function readUsage(provider: string, value: unknown): Usage | undefined {
  if (value === undefined || value === null) return undefined;
  const { prompt_tokens, completion_tokens = 0 } = object(provider, 'usage', value);
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

function readChoice(provider: string, value: unknown): ReplyChoice {
  const { index = 0, text, message, delta, finish_reason, logprobs } = object(provider, 'choices', value);
  const said = text ?? ((message ?? delta ?? {}) as Json).content ?? '';
  if (!isCount(index)) throw malformed(provider, 'index');
  if (typeof said !== 'string') throw malformed(provider, 'content');
  return { index, text: said, finishReason: readFinish(finish_reason), logprobs: readLogprobs(logprobs) };
}

function readFinish(reason: unknown): FinishReason | undefined {
  if (typeof reason !== 'string') return undefined;
  return FINISH_REASONS.includes(reason) ? (reason as FinishReason) : 'other';
}

/** Conversations have a list of records, plain completions lists side by side. Neither is worth failing a call for. */
function readLogprobs(value: unknown): ChosenTokenLogprob[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { content, tokens, token_logprobs, top_logprobs } = value as Json;
  if (Array.isArray(content)) {
    return content.map((entry: Json) => ({
      ...tokenLogprob(entry),
      top: Array.isArray(entry.top_logprobs) ? entry.top_logprobs.map(tokenLogprob) : [],
    }));
  }
  if (!Array.isArray(tokens) || !Array.isArray(token_logprobs)) return undefined;
  const tops = Array.isArray(top_logprobs) ? (top_logprobs as (Json | null)[]) : [];
  return tokens.map((token, i) => ({
    ...tokenLogprob({ token, logprob: token_logprobs[i] }),
    top: Object.entries(tops[i] ?? {})
      .map(([token, logprob]) => tokenLogprob({ token, logprob }))
      .sort((a, b) => b.logprob - a.logprob),
  }));
}

function tokenLogprob(entry: Json): TokenLogprob {
  return { text: String(entry?.token), logprob: Number(entry?.logprob) };
}

function object(provider: string, part: string, value: unknown): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw malformed(provider, part);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MOST_TOKENS;
}
