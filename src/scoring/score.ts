// Log-probabilities and perplexity of a given text.
import { checkOptions, rule } from '../options.js';
import type { Runner, ScoreResult } from '../runtime/runner.js';
import { planScore, type WindowOptions } from './windows.js';

export interface ScoreOptions extends WindowOptions {
  /** Read special tokens in the text as such. Default false. */
  readonly allowSpecialTokens?: boolean;
  /** The promise rejects with the signal's reason at once; the window that is being computed is finished for nobody. */
  readonly signal?: AbortSignal;
}

export interface Score {
  readonly ids: readonly number[];
  /** Natural logarithm of each token's probability given those before it in its window; null for the first. */
  readonly logprobs: ReadonlyArray<number | null>;
  /** exp of the mean negative log-probability. */
  readonly perplexity: number;
  /** Mean negative log-probability in nats per scored token. */
  readonly meanLoss: number;
  /** All tokens but the first, which has nothing before it. */
  readonly scoredTokens: number;
  /** Length of the text in UTF-8; null where token ids were given. */
  readonly textBytes: number | null;
  /** Bits that the scored tokens take, over `textBytes`: comparable between tokenizers. Null where that is. */
  readonly bitsPerByte: number | null;
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

/**
 * Scores two or more tokens; texts longer than the window are scored in overlapping windows, one after another: from about
 * 64 positions on a window computes as many tokens per second as a longer one, so several at once would gain nothing.
 * `textBytes` is the length of the text that the ids came from, if they came from one; `inTurn` makes the calls of the
 * runner, and rejects when the signal aborts.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION`, `INHOUSE_EMPTY_PROMPT`, and what `Runner.score` rejects with
 */
export async function scoreTokens(
  runner: Runner,
  ids: readonly number[],
  options: ScoreOptions,
  textBytes: number | null,
  inTurn: (calls: ReadonlyArray<() => Promise<ScoreResult>>, signal?: AbortSignal) => Promise<ScoreResult[]>,
): Promise<Score> {
  checkScoreOptions(options);
  const { window, stride, windows } = planScore(ids.length, runner.info.contextLength, options);
  const calls = windows.map(
    ({ begin, end, scoreFrom }) =>
      () =>
        runner.score(ids.slice(begin, end), { from: scoreFrom - begin }),
  );
  const logprobs: Array<number | null> = [null];
  let sum = 0;
  for (const scored of await inTurn(calls, options.signal)) {
    for (const logprob of scored.logprobs) {
      logprobs.push(logprob);
      sum += logprob;
    }
  }
  const scoredTokens = ids.length - 1;
  const meanLoss = -sum / scoredTokens;
  const perplexity = Math.exp(meanLoss);
  const bitsPerByte = textBytes === null ? null : -sum / Math.LN2 / textBytes;
  return { ids, logprobs, perplexity, meanLoss, scoredTokens, textBytes, bitsPerByte, window, stride };
}
