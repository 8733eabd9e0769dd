// What one `inhouse compare` measures, and with which text. Pure.
import { InvalidInputError } from '../../src/errors.js';
import { invalidOption } from '../../src/options.js';
import { type BenchCase, type BenchOptions, type DecodeCase, planBench, type Setup } from '../run/plan.js';

/** One way to run the model: a runner, a precision, a device, a number of threads. */
export type Candidate = Setup;

export interface CompareOptions
  extends Pick<
    BenchOptions,
    'precisions' | 'runners' | 'devices' | 'threads' | 'batchSize' | 'nGen' | 'repetitions'
  > {
  /** Tokens of the measured prompt. Default 512, or half the context where that is less. */
  readonly nPrompt?: number;
  /** Tokens per window of the scored text. Default: the context, or the whole text where that is shorter. */
  readonly window?: number;
}

export interface ComparePlan {
  readonly candidates: readonly Candidate[];
  /** Measured once per candidate and repetition: a prefill, then a decode per batch size. */
  readonly cases: readonly BenchCase[];
  readonly repetitions: number;
}

/** How the texts to read are made: the most probable token each time; small models go round in circles without a penalty. */
export const SAMPLES = { promptTokens: 16, newTokens: 60, repetitionPenalty: 1.3 } as const;

const USUAL_PROMPT = 512;
const USUAL_DEPTH = 64;

/** @throws InvalidInputError `INHOUSE_INVALID_OPTION` for what the model's context cannot hold */
export function planCompare(options: CompareOptions, contextLength: number): ComparePlan {
  const { nGen, repetitions } = options;
  const nPrompt = options.nPrompt ?? Math.min(USUAL_PROMPT, Math.floor(contextLength / 2));
  const depth = Math.max(1, Math.min(USUAL_DEPTH, contextLength - nGen));
  const { setups, cases } = planBench({ ...options, nPrompt: [nPrompt], depth: [depth] }, contextLength);
  const asEngine = cases.filter((one) => one.phase === 'prefill' || one.stepsPerCall === 1);
  return { candidates: setups, cases: asEngine, repetitions };
}

export function decodesOf({ cases }: Pick<ComparePlan, 'cases'>): readonly DecodeCase[] {
  return cases.filter((one) => one.phase === 'decode');
}

/** What tells a candidate from the others of the same comparison, such as 'int4' or 'int4, portable, 2 threads'. */
export function labelOf(candidate: Candidate, all: readonly Candidate[]): string {
  const differs = (field: 'runner' | 'device' | 'threads') => new Set(all.map((one) => one[field])).size > 1;
  return [
    candidate.precision,
    ...(differs('runner') ? [candidate.runner] : []),
    ...(differs('device') ? [candidate.device] : []),
    ...(differs('threads') ? [`${candidate.threads} thread${candidate.threads === 1 ? '' : 's'}`] : []),
  ].join(', ');
}

/**
 * Tokens per window for a text of so many tokens.
 * @throws InvalidInputError for a text of fewer than two tokens, or shorter than the window that was asked for
 */
export function windowFor(tokens: number, contextLength: number, asked: number | undefined): number {
  if (tokens < 2) {
    throw new InvalidInputError(
      'INHOUSE_EMPTY_PROMPT',
      `The text has ${tokens} token${tokens === 1 ? '' : 's'}; quality takes at least two, better some hundred.`,
      { details: { tokens } },
    );
  }
  const most = Math.min(tokens, contextLength);
  if (asked === undefined) return most;
  if (asked <= most) return asked;
  const limit =
    tokens < contextLength ? `the text's ${tokens} tokens` : `the model's context, ${contextLength}`;
  throw invalidOption('compare', 'window', asked, `at most ${limit}`);
}
