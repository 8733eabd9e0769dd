// From what was measured of a candidate to what is reported of it: medians and spreads. Pure.
import { median } from '../statistics.js';
import { type Candidate, type ComparePlan, decodesOf } from './plan.js';
import type { PreparedCandidate } from './prepare.js';
import type { QualitySample } from './quality.js';
import type { SpeedSample } from './speed.js';

/** Of the repetitions. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Against FP32 by the same kind of runner, over the same text and windows. */
export interface Quality {
  readonly perplexity: number;
  /** Over that of FP32, minus 1. */
  readonly perplexityChange: number;
  /** Its standard error: what another text of this length might have changed. */
  readonly perplexityChangeError: number;
  readonly bitsPerByte: number;
  /** 0 to 1. */
  readonly top1Agreement: number;
  /** Nats. */
  readonly meanKl: number;
  readonly meanAbsLogprobDifference: number;
  readonly sampleText: string;
}

/** One candidate; a figure that was not measured, or does not apply, is null. docs/compare.md says what each means. */
export interface CandidateResult extends Candidate {
  readonly label: string;
  /** What matrix products multiply. */
  readonly computeType: PreparedCandidate['computeType'];
  /** Why it could not be measured to the end. */
  readonly failure: string | null;
  readonly diskBytes: number;
  /** Complete repetitions. */
  readonly repetitions: number;
  readonly loadMs: Spread | null;
  readonly rssBeforeBytes: number | null;
  readonly rssLoadedBytes: Spread | null;
  readonly rssPeakBytes: Spread | null;
  readonly kvBytesPerToken: number | null;
  readonly timeToFirstTokenMs: Spread | null;
  readonly prefillTokensPerSecond: Spread | null;
  readonly decode: ReadonlyArray<{ readonly batch: number; readonly tokensPerSecond: Spread | null }>;
  readonly joulesPerToken: Spread | null;
  readonly quality: Quality | null;
}

/** What has been measured of a candidate so far. */
export interface Measured {
  readonly candidate: Candidate;
  readonly label: string;
  readonly prepared: PreparedCandidate;
  readonly speeds: SpeedSample[];
  quality: QualitySample | undefined;
  failure: string | undefined;
}

/** What turns tokens back into text. */
export interface TextFacts {
  readonly bytes: number;
  readonly decode: (ids: readonly number[]) => string;
}

export function summarise(measured: Measured, plan: ComparePlan, text: TextFacts): CandidateResult {
  const { candidate, label, prepared, speeds, failure } = measured;
  const ofCase = (index: number) => speeds.map(({ samples }) => samples[index]!);
  const prefill = plan.cases.findIndex(({ phase }) => phase === 'prefill');
  const prompt = plan.cases.find((one) => one.phase === 'prefill')?.prompt ?? 0;
  const prefills = prefill < 0 ? [] : ofCase(prefill);
  return {
    ...candidate,
    label,
    ...prepared,
    failure: failure ?? null,
    repetitions: speeds.length,
    loadMs: spread(speeds.map(({ loadMs }) => loadMs)),
    rssBeforeBytes: spread(speeds.map(({ rssBeforeBytes }) => rssBeforeBytes))?.median ?? null,
    rssLoadedBytes: spread(speeds.map(({ rssLoadedBytes }) => rssLoadedBytes)),
    rssPeakBytes: spread(speeds.map(({ rssPeakBytes }) => rssPeakBytes)),
    kvBytesPerToken: speeds[0]?.kvBytesPerToken ?? null,
    timeToFirstTokenMs: spread(prefills.map(({ firstTokenMs }) => firstTokenMs)),
    prefillTokensPerSecond: spread(prefills.map(({ ms }) => (prompt / ms) * 1000)),
    decode: decodesOf(plan).map((decode) => ({
      batch: decode.batch,
      tokensPerSecond: spread(ofCase(plan.cases.indexOf(decode)).map(({ ms }) => (decode.batch / ms) * 1000)),
    })),
    joulesPerToken: spread(speeds.map(({ joulesPerToken }) => joulesPerToken)),
    quality: measured.quality === undefined ? null : qualityOf(measured.quality, text),
  };
}

function qualityOf({ fidelity, continuation }: QualitySample, { bytes, decode }: TextFacts): Quality {
  const { referenceLoss, candidateLoss, lossDifferenceError, scoredTokens } = fidelity;
  return {
    perplexity: Math.exp(candidateLoss),
    perplexityChange: Math.expm1(candidateLoss - referenceLoss),
    perplexityChangeError: Math.exp(candidateLoss - referenceLoss) * lossDifferenceError,
    bitsPerByte: (candidateLoss * scoredTokens) / Math.LN2 / bytes,
    top1Agreement: fidelity.top1Agreement,
    meanKl: fidelity.meanKl,
    meanAbsLogprobDifference: fidelity.meanAbsLogprobDifference,
    sampleText: decode(continuation),
  };
}

/** Null where a repetition lacks the value, or there was none. */
export function spread(values: ReadonlyArray<number | null>): Spread | null {
  const known = values.filter((value) => value !== null);
  if (known.length === 0 || known.length < values.length) return null;
  return { median: median(known), min: Math.min(...known), max: Math.max(...known) };
}
