// Log-probabilities and perplexity of a given text.
import { InvalidInputError } from '../errors.js';
import { checkOptions, invalidOption, rule } from '../options.js';
import type { Runner } from '../runtime/runner.js';
import { planWindows } from './windows.js';

export interface ScoreOptions {
  /** Tokens per window, 2 to the context length. Default the context length. */
  readonly window?: number;
  /** Tokens by which windows advance, 1 to window - 1. Default half the window. */
  readonly stride?: number;
  /** Read special tokens in the text as such. Default false. */
  readonly allowSpecialTokens?: boolean;
  /** Stops between windows: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface Score {
  readonly ids: readonly number[];
  /** Natural logarithm of each token's probability given those before it in its window; null for the first. */
  readonly logprobs: ReadonlyArray<number | null>;
  /** exp of the mean negative log-probability. */
  readonly perplexity: number;
  /** Mean negative log-probability in nats. */
  readonly meanLoss: number;
  readonly scoredTokens: number;
  readonly window: number;
  readonly stride: number;
}

const RULES = {
  window: rule.integer(2),
  stride: rule.integer(1),
  allowSpecialTokens: rule.boolean,
  signal: rule.signal,
};

export function checkScoreOptions(options: ScoreOptions | undefined): void {
  checkOptions('score', options, RULES);
}

/** Scores two or more tokens; texts longer than the window are scored in overlapping windows. */
export async function scoreTokens(
  runner: Runner,
  ids: readonly number[],
  options: ScoreOptions = {},
): Promise<Score> {
  checkScoreOptions(options);
  const { contextLength } = runner.info;
  const window = options.window ?? contextLength;
  if (window > contextLength)
    throw invalidOption('score', 'window', window, `at most the context, ${contextLength}`);
  const stride = options.stride ?? Math.max(1, Math.floor(window / 2));
  if (stride >= window) throw invalidOption('score', 'stride', stride, `below the window, ${window}`);
  if (ids.length < 2) {
    throw new InvalidInputError(
      'INHOUSE_EMPTY_PROMPT',
      `score needs at least two tokens, got ${ids.length}: the first is given, the others are predicted.`,
    );
  }

  const logprobs: Array<number | null> = [null];
  let sum = 0;
  for (const { begin, end, scoreFrom } of planWindows(ids.length, window, stride)) {
    options.signal?.throwIfAborted();
    const scored = await runner.score(ids.slice(begin, end), { from: scoreFrom - begin });
    for (const logprob of scored.logprobs) {
      logprobs.push(logprob);
      sum += logprob;
    }
  }
  const scoredTokens = ids.length - 1;
  const meanLoss = -sum / scoredTokens;
  return { ids, logprobs, perplexity: Math.exp(meanLoss), meanLoss, scoredTokens, window, stride };
}
