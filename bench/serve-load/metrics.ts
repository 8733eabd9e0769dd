// From the traces of requests to the figures that are reported. Pure. Definitions as in `vllm bench serve`, over
// successes only.
import { quantile } from '../statistics.js';
import type { RequestTrace } from './trace.js';

/** Requests of one load, and for how long it lasted: from its beginning until the last of them had ended. */
export interface LoadRun {
  readonly traces: readonly RequestTrace[];
  readonly durationMs: number;
}

export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** Upper limits that a request must keep, all of them, to count as good. Milliseconds. */
export interface Goodput {
  readonly ttft?: number;
  /** For each gap between two of its tokens. */
  readonly itl?: number;
  readonly tpot?: number;
  readonly e2el?: number;
}

export interface LoadSummary {
  readonly durationSeconds: number;
  /** Requests that ended as they should. Everything below but `failures` and `aborted` is about these alone. */
  readonly completed: number;
  readonly failed: number;
  /** How many failed with which code. */
  readonly failures: Readonly<Record<string, number>>;
  readonly aborted: number;
  readonly inputTokens: number;
  /** Of them, copied from the prefix cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
  /** Per second: requests, output tokens, input and output tokens, and requests within all limits of the goodput. */
  readonly requestThroughput: number;
  readonly outputThroughput: number;
  readonly totalTokenThroughput: number;
  readonly requestGoodput: number | null;
  /** From when the request was due to its first token. */
  readonly ttftMs: Distribution | null;
  /** Gaps between tokens, all requests together. Tokens that come in one chunk have gaps of zero. */
  readonly itlMs: Distribution | null;
  /** Per request: (end to end - time to first token) / (output tokens - 1). */
  readonly tpotMs: Distribution | null;
  /** From when the request was due to its end. */
  readonly e2elMs: Distribution | null;
}

export function summarise({ traces, durationMs }: LoadRun, goodput?: Goodput): LoadSummary {
  const successes = traces.filter(({ outcome }) => outcome.kind === 'completed');
  const times = successes.map(timesOf);
  const failures = countByCode(traces);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const perSecond = (count: number) => (durationMs === 0 ? 0 : (count / durationMs) * 1000);
  const inputTokens = sum(successes.map(({ promptTokens }) => promptTokens));
  const outputTokens = sum(successes.map(({ tokenMs }) => tokenMs.length));
  return {
    durationSeconds: durationMs / 1000,
    completed: successes.length,
    failed: sum(Object.values(failures)),
    failures,
    aborted: traces.filter(({ outcome }) => outcome.kind === 'aborted').length,
    inputTokens,
    cachedTokens: sum(successes.map(({ cachedTokens }) => cachedTokens)),
    outputTokens,
    requestThroughput: perSecond(successes.length),
    outputThroughput: perSecond(outputTokens),
    totalTokenThroughput: perSecond(inputTokens + outputTokens),
    requestGoodput: goodput ? perSecond(times.filter((each) => isGood(each, goodput)).length) : null,
    ttftMs: distribution(times.flatMap(({ ttftMs }) => ttftMs ?? [])),
    itlMs: distribution(times.flatMap(({ gapsMs }) => gapsMs)),
    tpotMs: distribution(times.flatMap(({ tpotMs }) => tpotMs ?? [])),
    e2elMs: distribution(times.map(({ e2elMs }) => e2elMs)),
  };
}

/** Null for no values at all. */
export function distribution(values: readonly number[]): Distribution | null {
  if (values.length === 0) return null;
  return {
    mean: values.reduce((sum, value) => sum + value, 0) / values.length,
    p50: quantile(values, 0.5),
    p95: quantile(values, 0.95),
    p99: quantile(values, 0.99),
  };
}

interface RequestTimes {
  /** Undefined without a token. */
  readonly ttftMs: number | undefined;
  readonly gapsMs: readonly number[];
  /** Undefined with fewer than two tokens. */
  readonly tpotMs: number | undefined;
  readonly e2elMs: number;
}

function timesOf({ dueMs, tokenMs, endMs }: RequestTrace): RequestTimes {
  const first = tokenMs[0];
  return {
    ttftMs: first === undefined ? undefined : first - dueMs,
    gapsMs: tokenMs.slice(1).map((at, before) => at - tokenMs[before]!),
    tpotMs: tokenMs.length < 2 ? undefined : (endMs - first!) / (tokenMs.length - 1),
    e2elMs: endMs - dueMs,
  };
}

/** A limit on what a request does not have, such as gaps, is kept. */
function isGood({ ttftMs, gapsMs, tpotMs, e2elMs }: RequestTimes, limits: Goodput): boolean {
  const { ttft = Infinity, itl = Infinity, tpot = Infinity, e2el = Infinity } = limits;
  return (
    (ttftMs ?? 0) <= ttft && gapsMs.every((gap) => gap <= itl) && (tpotMs ?? 0) <= tpot && e2elMs <= e2el
  );
}

function countByCode(traces: readonly RequestTrace[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { outcome } of traces) {
    if (outcome.kind === 'failed') counts[outcome.code] = (counts[outcome.code] ?? 0) + 1;
  }
  return counts;
}
