// Decides how a prompt and its output share the model's context. Pure.
import { InvalidInputError } from '../errors.js';
import type { ContextOverflow } from './options.js';

/** When the caller names no maximum. */
export const DEFAULT_MAX_TOKENS = 128;

export interface ContextPlan {
  /** Oldest prompt tokens to leave out. */
  readonly dropFromPrompt: number;
  readonly maxTokens: number;
  /** Why a sequence that reaches maxTokens ends: the caller's limit, or the context where the caller named none. */
  readonly endsBy: 'length' | 'context';
  /** KV positions the sequence may come to need. */
  readonly capacity: number;
}

/**
 * The last generated token is never fed back, so prompt + maxTokens may exceed the context by one.
 * Throws `INHOUSE_EMPTY_PROMPT`, or `INHOUSE_CONTEXT_OVERFLOW` with the numbers.
 */
export function planContext(
  promptTokens: number,
  maxTokens: number | undefined,
  contextLength: number,
  overflow: ContextOverflow,
): ContextPlan {
  if (promptTokens === 0) {
    throw new InvalidInputError(
      'INHOUSE_EMPTY_PROMPT',
      'The prompt is empty: GPT-2 needs at least one token to go on from. ' +
        'To generate from nothing, pass "<|endoftext|>" with allowSpecialTokens, or its token id.',
    );
  }
  if (overflow === 'slide') {
    const wanted = maxTokens ?? DEFAULT_MAX_TOKENS;
    const dropFromPrompt = Math.max(0, promptTokens - contextLength);
    const kept = promptTokens - dropFromPrompt;
    return {
      dropFromPrompt,
      maxTokens: wanted,
      endsBy: 'length',
      capacity: Math.min(kept + wanted - 1, contextLength),
    };
  }

  const room = contextLength - promptTokens + 1;
  if (overflow === 'strict') {
    const wanted = maxTokens ?? Math.min(DEFAULT_MAX_TOKENS, room);
    if (room < 1 || wanted > room) throw tooLong(promptTokens, maxTokens, contextLength);
    const endsBy = wanted < DEFAULT_MAX_TOKENS && maxTokens === undefined ? 'context' : 'length';
    return { dropFromPrompt: 0, maxTokens: wanted, endsBy, capacity: promptTokens + wanted - 1 };
  }

  const wanted = maxTokens ?? Math.min(DEFAULT_MAX_TOKENS, contextLength);
  if (wanted > contextLength) throw tooLong(promptTokens, maxTokens, contextLength);
  const dropFromPrompt = Math.max(0, wanted - room);
  const capacity = promptTokens - dropFromPrompt + wanted - 1;
  return { dropFromPrompt, maxTokens: wanted, endsBy: 'length', capacity };
}

/** How many of the oldest tokens a full window gives up when it slides: half, so that recomputing stays rare. */
export function slideBy(contextLength: number): number {
  return Math.max(1, Math.ceil(contextLength / 2));
}

function tooLong(
  promptTokens: number,
  maxTokens: number | undefined,
  contextLength: number,
): InvalidInputError {
  const asked = maxTokens === undefined ? '' : ` and maxTokens ${maxTokens}`;
  const most = contextLength - promptTokens + 1;
  const advice = most >= 1 ? `lower maxTokens to ${most}, ` : '';
  return new InvalidInputError(
    'INHOUSE_CONTEXT_OVERFLOW',
    `A prompt of ${promptTokens} tokens${asked} exceeds the model's context of ${contextLength}: ` +
      `${advice}shorten the prompt, or set contextOverflow to 'truncate-left' or 'slide'.`,
    { details: { promptTokens, maxTokens, contextLength } },
  );
}
