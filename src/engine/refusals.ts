// The answers to requests that an engine does not take on.
import { DisposedError, InhouseError, InvalidInputError, QueueFullError } from '../errors.js';

/** What a server should tell its client to wait. */
const RETRY_AFTER_SECONDS = 30;

export function disposed(): DisposedError {
  return new DisposedError('INHOUSE_DISPOSED', 'The model was disposed of before the call was done.');
}

export function duplicateId(id: string): InvalidInputError {
  return new InvalidInputError(
    'INHOUSE_DUPLICATE_ID',
    `A request with the id ${JSON.stringify(id)} is in progress. Give every request its own id, or none.`,
    { details: { id } },
  );
}

/** For a sequence that even an empty KV cache has no room for. Tokens are KV positions. */
export function tooLargeForMemory(
  tokens: number,
  neededBytes: number,
  limitBytes: number,
  bytesPerToken: number,
): InvalidInputError {
  return new InvalidInputError(
    'INHOUSE_KV_LIMIT',
    `Prompt and maxTokens come to ${tokens} tokens, which take ${neededBytes} bytes of KV memory; the limit is ` +
      `${limitBytes} bytes, for ${Math.floor(limitBytes / bytesPerToken)} tokens. Raise kvMemoryLimitBytes, lower ` +
      'maxTokens, or shorten the prompt.',
    { details: { tokens, neededBytes, limitBytes, bytesPerToken } },
  );
}

/** `what` waits: choices, say. */
export function queueFull(what: string, depth: number, asked: number, limit: number): QueueFullError {
  return new QueueFullError(
    'INHOUSE_QUEUE_FULL',
    `${depth} ${what} wait already, ${asked} more would exceed maxWaiting, ${limit}. Try again later, or raise maxWaiting.`,
    { details: { queueDepth: depth, asked, maxQueueSize: limit, retryAfterSeconds: RETRY_AFTER_SECONDS } },
  );
}

export function inconsistent(violations: readonly string[]): InhouseError {
  return new InhouseError(
    'INHOUSE_INTERNAL',
    `The engine's bookkeeping is wrong: ${violations.join('; ')}.`,
    {
      details: { violations },
    },
  );
}
