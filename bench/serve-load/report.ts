// A finished load test as one JSON object, and as tables for people.
import type { Machine } from '../machine.js';
import type { BenchedModel } from '../run/report.js';
import { type Columns, fixed, table } from '../table.js';
import type { Figure } from './figure.js';
import type { LevelResult } from './levels.js';
import type { Distribution } from './metrics.js';
import type { ThroughputRecord } from './muai.js';
import type { ModelSetup } from './session.js';

export interface ServeLoadReport {
  /** End to end: the real engine computes. */
  readonly plane: 'E';
  readonly machine: Machine;
  /** What was typed. */
  readonly command: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** True when the test was ended early: what was measured is then less, or absent. */
  readonly interrupted: boolean;
  readonly model: BenchedModel & ModelSetup;
  /** One of these three, by suite. */
  readonly results?: readonly LevelResult[];
  readonly records?: readonly ThroughputRecord[];
  readonly figures?: readonly Figure[];
}

export function printedReport(report: ServeLoadReport): string {
  const { machine, model, interrupted, results = [], records = [], figures = [] } = report;
  const weights = model.synthetic ? 'random weights' : 'its own weights';
  const failures = results.filter(({ failed }) => failed > 0);
  const parts = [
    `${model.id}, ${weights}, ${model.runner} runner, ${model.precision}, ${model.device}, threads ${model.threads}\n` +
      `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}`,
    ...(results.length === 0
      ? []
      : [table(THROUGHPUT, results), table(LATENCIES, results.flatMap(latencies))]),
    ...(failures.length === 0 ? [] : [table(FAILURES, failures.flatMap(failureCounts))]),
    ...(records.length === 0 ? [] : [table(RECORDS, records)]),
    ...(figures.length === 0 ? [] : [table(FIGURES, figures), figures.map(detailLine).join('\n')]),
    ...(interrupted ? ['Interrupted: this is what had been measured by then.'] : []),
  ];
  return parts.join('\n\n');
}

const LEVEL: Columns<LevelResult> = {
  load: ({ concurrency, requestRate }) =>
    concurrency === null ? `${requestRate}/s` : `concurrency ${concurrency}`,
};

const THROUGHPUT: Columns<LevelResult> = {
  ...LEVEL,
  seconds: ({ durationSeconds }) => fixed(durationSeconds, 1),
  completed: ({ completed }) => String(completed),
  failed: ({ failed }) => String(failed),
  'requests/s': ({ requestThroughput }) => fixed(requestThroughput),
  'output tokens/s': ({ outputThroughput }) => fixed(outputThroughput, 1),
  'all tokens/s': ({ totalTokenThroughput }) => fixed(totalTokenThroughput, 1),
  'good requests/s': ({ requestGoodput }) => fixed(requestGoodput),
};

interface Latency {
  readonly level: LevelResult;
  readonly name: string;
  readonly times: Distribution;
}

function latencies(level: LevelResult): Latency[] {
  const { ttftMs: TTFT, itlMs: ITL, tpotMs: TPOT, e2elMs: E2EL } = level;
  return Object.entries({ TTFT, ITL, TPOT, E2EL }).flatMap(([name, times]) =>
    times === null ? [] : [{ level, name, times }],
  );
}

const LATENCIES: Columns<Latency> = {
  load: ({ level }) => LEVEL.load!(level),
  ms: ({ name }) => name,
  mean: ({ times }) => fixed(times.mean, 1),
  p50: ({ times }) => fixed(times.p50, 1),
  p95: ({ times }) => fixed(times.p95, 1),
  p99: ({ times }) => fixed(times.p99, 1),
};

interface FailureCount {
  readonly level: LevelResult;
  readonly code: string;
  readonly count: number;
}

function failureCounts(level: LevelResult): FailureCount[] {
  return Object.entries(level.failures).map(([code, count]) => ({ level, code, count }));
}

const FAILURES: Columns<FailureCount> = {
  load: ({ level }) => LEVEL.load!(level),
  failed: ({ count }) => String(count),
  'because of': ({ code }) => code,
};

const RECORDS: Columns<ThroughputRecord> = {
  test: ({ id }) => id,
  concurrency: ({ config }) => String(config.concurrency),
  batch: ({ batch }) => String(batch?.size ?? 1),
  'tokens/request': ({ config }) => String(config.output_length),
  seconds: ({ summary }) => fixed(summary.duration_seconds, 1),
  requests: ({ summary }) => String(summary.total_requests),
  failed: ({ summary }) => String(summary.failed_requests),
  'requests/s': (record) => fixed(throughputOf(record).requests_per_second),
  'tokens/s': (record) => fixed(throughputOf(record).tokens_per_second, 1),
  'mean ms': ({ latency }) => fixed(latency?.mean ?? null, 0),
  'p95 ms': ({ latency }) => fixed(latency?.p95 ?? null, 0),
  'p99 ms': ({ latency }) => fixed(latency?.p99 ?? null, 0),
};

function throughputOf({ single, concurrent, batch }: ThroughputRecord) {
  return (single ?? concurrent ?? batch)!;
}

const FIGURES: Columns<Figure> = {
  figure: ({ name }) => name,
  value: ({ value }) => (value === null ? '-' : value.toPrecision(3)),
  target: ({ target }) => ('atLeast' in target ? `>= ${target.atLeast}` : `<= ${target.atMost}`),
  met: ({ met }) => (met === null ? '-' : met ? 'yes' : 'no'),
};

function detailLine({ name, detail }: Figure): string {
  const parts = Object.entries(detail).map(
    ([what, value]) => `${what} ${value === null ? '-' : Number(value.toPrecision(4))}`,
  );
  return `${name}: ${parts.join(', ')}`;
}
