// Argument checks shared by the portable runner's operations.
import type { Gpt2Config } from '../../checkpoint/config.js';
import { InvalidInputError, RunnerError } from '../../errors.js';

/** Throws `INHOUSE_INVALID_TOKEN` for the first id outside the vocabulary. */
export function checkTokens({ vocabularySize }: Gpt2Config, tokens: readonly number[]): void {
  const bad = tokens.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabularySize);
  if (bad === undefined) return;
  throw new InvalidInputError(
    'INHOUSE_INVALID_TOKEN',
    `Token id ${bad} is not in the vocabulary, 0 to ${vocabularySize - 1}.`,
    { details: { token: bad, vocabularySize } },
  );
}

export function rowError(message: string): RunnerError {
  return new RunnerError('INHOUSE_ROW_INVALID', message);
}
