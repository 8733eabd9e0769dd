// How closely one model follows another over the same text: a quantized one its FP32 original.
import { checkOptions, rule } from '../options.js';
import type { Runner, ScoreResult } from '../runtime/runner.js';
import { planScore, type WindowOptions } from './windows.js';

export interface FidelityOptions extends WindowOptions {
  /** Stops between windows: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Means are over all scored tokens. */
export interface Fidelity {
  readonly tokens: number;
  /** All tokens but the first. */
  readonly scoredTokens: number;
  readonly window: number;
  readonly stride: number;
  /** Mean negative log-probability of the text in nats per scored token, by each of the two. */
  readonly referenceLoss: number;
  readonly candidateLoss: number;
  /** Standard error of their difference, the scored tokens taken as independent of each other. */
  readonly lossDifferenceError: number;
  /** Share of positions where both have the same first choice, 0 to 1. */
  readonly top1Agreement: number;
  /** Kullback-Leibler divergence of the candidate's distribution from the reference's, KL(reference || candidate), nats. */
  readonly meanKl: number;
  /** Of the tokens that the text has: |ln p(reference) - ln p(candidate)|. */
  readonly meanAbsLogprobDifference: number;
}

const RULES = { window: rule.integer(2), stride: rule.integer(1), signal: rule.signal };

/**
 * Scores the text with both runners, in the windows that `scoreTokens` uses. Holds the logits of one window of both,
 * never those of the whole text.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION`, `INHOUSE_EMPTY_PROMPT`, and what `Runner.score` rejects with
 */
export async function measureFidelity(
  reference: Runner,
  candidate: Runner,
  ids: readonly number[],
  options: FidelityOptions = {},
): Promise<Fidelity> {
  checkOptions('fidelity', options, RULES);
  const { contextLength, vocabularySize } = reference.info;
  const { window, stride, windows } = planScore(ids.length, contextLength, options);
  const total: Sums = { referenceLoss: 0, candidateLoss: 0, agreed: 0, kl: 0, difference: 0, squares: 0 };
  for (const { begin, end, scoreFrom } of windows) {
    options.signal?.throwIfAborted();
    const tokens = ids.slice(begin, end);
    const wanted = { from: scoreFrom - begin, logits: true };
    const ofReference = await reference.score(tokens, wanted);
    const ofCandidate = candidate === reference ? ofReference : await candidate.score(tokens, wanted);
    addWindow(total, ofReference, ofCandidate, vocabularySize);
  }
  const scoredTokens = ids.length - 1;
  const meanDifference = (total.candidateLoss - total.referenceLoss) / scoredTokens;
  const variance = Math.max(0, total.squares / scoredTokens - meanDifference ** 2);
  return {
    tokens: ids.length,
    scoredTokens,
    window,
    stride,
    referenceLoss: total.referenceLoss / scoredTokens,
    candidateLoss: total.candidateLoss / scoredTokens,
    lossDifferenceError: Math.sqrt(variance / scoredTokens),
    top1Agreement: total.agreed / scoredTokens,
    meanKl: total.kl / scoredTokens,
    meanAbsLogprobDifference: total.difference / scoredTokens,
  };
}

interface Sums {
  referenceLoss: number;
  candidateLoss: number;
  agreed: number;
  kl: number;
  /** Of the log-probabilities of the text's tokens: absolute values, and squares. */
  difference: number;
  squares: number;
}

function addWindow(
  total: Sums,
  reference: ScoreResult,
  candidate: ScoreResult,
  vocabularySize: number,
): void {
  for (let i = 0; i < reference.logprobs.length; i++) {
    const row = (logits: Float32Array) => logits.subarray(i * vocabularySize, (i + 1) * vocabularySize); // [V]
    const expected = reference.logprobs[i]!;
    const actual = candidate.logprobs[i]!;
    total.referenceLoss -= expected;
    total.candidateLoss -= actual;
    total.difference += Math.abs(expected - actual);
    total.squares += (expected - actual) ** 2;
    total.agreed += reference.argmax[i] === candidate.argmax[i] ? 1 : 0;
    total.kl += klDivergence(row(reference.logits!), row(candidate.logits!));
  }
}

/**
 * KL(p || q) in nats, for p and q the softmax of two rows of raw logits [V]. With a and b the logits,
 * KL = sum(p * (a - b)) - logsumexp(a) + logsumexp(b): one pass over the vocabulary, no distribution is stored.
 * Equal rows give exactly 0.
 */
export function klDivergence(reference: Float32Array, candidate: Float32Array): number {
  const top = largest(reference);
  const candidateTop = largest(candidate);
  let sum = 0;
  let candidateSum = 0;
  let weighted = 0;
  for (let token = 0; token < reference.length; token++) {
    const a = reference[token]!;
    const b = candidate[token]!;
    const mass = Math.exp(a - top);
    sum += mass;
    candidateSum += Math.exp(b - candidateTop);
    weighted += mass * (a - b);
  }
  const kl = weighted / sum - (top + Math.log(sum)) + (candidateTop + Math.log(candidateSum));
  return Math.max(0, kl); // rounding may leave a few units in the last place below
}

function largest(values: Float32Array): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const value of values) if (value > most) most = value;
  return most;
}
