// Completions and embeddings of any provider in the shape of OpenAI's HTTP API, for code that was written for it.
import type {
  Choice,
  ChosenTokenLogprob,
  Completion,
  CompletionChunk,
  Embedding,
  FinishReason,
} from './provider.js';

/** `created` is in seconds since the epoch. */
export function asChatCompletion(completion: Completion, created: number) {
  return {
    id: completion.id,
    object: 'chat.completion' as const,
    created,
    model: completion.model,
    choices: completion.choices.map(({ index, text, finishReason, logprobs }) => ({
      index,
      message: { role: 'assistant' as const, content: text, refusal: null },
      finish_reason: asFinishReason(finishReason),
      logprobs: logprobs ? { content: logprobs.map(asTokenLogprob), refusal: null } : null,
    })),
    usage: asUsage(completion),
  };
}

export function asTextCompletion(completion: Completion, created: number) {
  return {
    id: completion.id,
    object: 'text_completion' as const,
    created,
    model: completion.model,
    choices: completion.choices.map(({ index, text, finishReason, logprobs }) => ({
      index,
      text,
      finish_reason: asFinishReason(finishReason),
      logprobs: logprobs ? asColumns(logprobs) : null,
    })),
    usage: asUsage(completion),
  };
}

/** What the pieces of one stream share. */
export interface StreamHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

export function asChatChunk(
  { id, created, model }: StreamHead,
  { index, text, finishReason }: CompletionChunk,
) {
  return {
    id,
    object: 'chat.completion.chunk' as const,
    created,
    model,
    choices: [
      {
        index,
        delta: { role: 'assistant' as const, content: text },
        finish_reason: finishReason ? asFinishReason(finishReason) : null,
      },
    ],
  };
}

export function asTextChunk(
  { id, created, model }: StreamHead,
  { index, text, finishReason }: CompletionChunk,
) {
  return {
    id,
    object: 'text_completion' as const,
    created,
    model,
    choices: [
      { index, text, finish_reason: finishReason ? asFinishReason(finishReason) : null, logprobs: null },
    ],
  };
}

export function asUsage({ usage }: Pick<Completion, 'usage'>) {
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.totalTokens,
  };
}

export function asEmbeddingList({ vectors, model, usage }: Embedding) {
  return {
    object: 'list' as const,
    data: vectors.map((vector, index) => ({
      object: 'embedding' as const,
      index,
      embedding: Array.from(vector),
    })),
    model,
    usage: { prompt_tokens: usage.promptTokens, total_tokens: usage.totalTokens },
  };
}

/** OpenAI knows no reason for an end by context, budget or abort: all three are an end by length. */
function asFinishReason(reason: FinishReason): 'stop' | 'length' | 'content_filter' {
  if (reason === 'content_filter') return reason;
  return reason === 'stop' || reason === 'other' ? 'stop' : 'length';
}

function asTokenLogprob({ text, logprob, top }: ChosenTokenLogprob) {
  return {
    token: text,
    logprob,
    bytes: [...Buffer.from(text)],
    top_logprobs: top.map((other) => ({
      token: other.text,
      logprob: other.logprob,
      bytes: [...Buffer.from(other.text)],
    })),
  };
}

function asColumns(logprobs: NonNullable<Choice['logprobs']>) {
  return {
    tokens: logprobs.map(({ text }) => text),
    token_logprobs: logprobs.map(({ logprob }) => logprob),
    top_logprobs: logprobs.map(({ top }) =>
      Object.fromEntries(top.map(({ text, logprob }) => [text, logprob])),
    ),
  };
}
