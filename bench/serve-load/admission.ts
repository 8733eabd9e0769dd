// How much longer the gaps between tokens of running streams get while a long prompt is admitted.
import type { Model } from '../../src/model.js';
import { Random } from '../run/random.js';
import { quantile } from '../statistics.js';
import { pause } from './drive.js';
import { type Figure, figure } from './figure.js';
import type { FigureOptions } from './figures.js';
import { sendTo } from './send.js';
import type { LoadSession } from './session.js';
import { type LoadRequest, type Send, traced } from './trace.js';

/** A stretch of time, milliseconds. */
export interface Interval {
  readonly beginMs: number;
  readonly endMs: number;
}

const STREAMS = 8;
const PROMPT_TOKENS = 64;
const LONG_PROMPT_TOKENS = 900;
/** As long as the context allows; the measurement ends when the streams do. */
const OUTPUT_TOKENS = 900;
/** At least so long is it quiet between two long prompts, for gaps to compare with; as long as the prompt before took. */
const QUIET_MS = 2000;

export async function measureAdmission(
  { tools }: LoadSession,
  model: Model,
  { seed, quick }: FigureOptions,
): Promise<Figure> {
  tools.onProgress(`${STREAMS} streams while prompts of ${LONG_PROMPT_TOKENS} tokens come in`);
  const random = new Random(seed);
  const request = (promptTokens: number, outputTokens: number): LoadRequest => ({
    prompt: random.tokens(promptTokens, model.info().vocabularySize),
    outputTokens,
  });
  const over = new AbortController();
  const end = () => over.abort();
  if (tools.signal.aborted) end();
  tools.signal.addEventListener('abort', end);

  const send = sendTo(model);
  let begun = 0;
  const stream = async () => {
    const noting: Send = (sent, onTokens, signal) => {
      let first = true;
      return send(
        sent,
        (count) => {
          if (first) begun += 1;
          first = false;
          onTokens(count);
        },
        signal,
      );
    };
    const { tokenMs } = await traced(noting, request(PROMPT_TOKENS, OUTPUT_TOKENS), 0, over.signal);
    end(); // from now on there are fewer
    return tokenMs;
  };
  const streams = Array.from({ length: STREAMS }, stream);
  while (begun < STREAMS && !over.signal.aborted) await pause(10, over.signal);

  const admissions: Interval[] = [];
  await pause(QUIET_MS, over.signal);
  for (let count = 0; count < (quick ? 2 : 6) && !over.signal.aborted; count++) {
    const beginMs = performance.now();
    const { tokenMs, endMs } = await traced(send, request(LONG_PROMPT_TOKENS, 1), beginMs, over.signal);
    const admission = { beginMs, endMs: tokenMs[0] ?? endMs };
    admissions.push(admission);
    await pause(Math.max(QUIET_MS, lengthOf(admission)), over.signal);
  }
  end();
  tools.signal.removeEventListener('abort', end);
  return admissionFigure(await Promise.all(streams), admissions);
}

/** `tokenTimes`: of each stream, when its tokens came. Gaps count while all streams run. */
export function admissionFigure(
  tokenTimes: readonly (readonly number[])[],
  admissions: readonly Interval[],
): Figure {
  const beginMs = Math.max(...tokenTimes.map((times) => times[0] ?? Infinity));
  const endMs = Math.min(...tokenTimes.map((times) => times.at(-1) ?? 0));
  const gaps = tokenTimes
    .flatMap((times) =>
      times.slice(1).map((end, before): Interval => ({ beginMs: times[before]!, endMs: end })),
    )
    .filter((gap) => gap.beginMs >= beginMs && gap.endMs <= endMs);
  const isDisturbed = (gap: Interval) => admissions.some((admission) => overlap(admission, gap));
  const p95 = (some: readonly Interval[]) => quantile(some.map(lengthOf), 0.95);
  const disturbed = gaps.filter(isDisturbed);
  const quiet = gaps.filter((gap) => !isDisturbed(gap));
  return figure(
    'ITL p95 of 8 streams while a 900-token prompt comes in, over without',
    p95(disturbed) / p95(quiet),
    { atMost: 2 },
    {
      p95WithMs: p95(disturbed),
      p95WithoutMs: p95(quiet),
      gapsWith: disturbed.length,
      gapsWithout: quiet.length,
      prompts: admissions.length,
    },
  );
}

function overlap(one: Interval, other: Interval): boolean {
  return one.beginMs < other.endMs && other.beginMs < one.endMs;
}

function lengthOf({ beginMs, endMs }: Interval): number {
  return endMs - beginMs;
}
