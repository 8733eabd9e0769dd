// The OpenTelemetry instruments of one meter: distributions to record into, and sums that read their totals when asked.
import type { Histogram, Meter, Observable } from '@opentelemetry/api';
import { GEN_AI_METRICS, GENOPS_METRICS, type MetricDefinition, providerMetrics } from './metric-names.js';
import type { CallSeries, Labels, Tally } from './series.js';

/** Where the sums are read from. */
export interface Totals {
  readonly series: { values(): Iterable<CallSeries> };
  readonly errors: Tally;
  readonly violations: Tally;
  /** Requests per second, by model. */
  throughput(): Iterable<Point>;
}

export type Point = readonly [Labels, number];

export class Instruments {
  readonly duration: Histogram;
  readonly latency: Histogram;
  readonly inferenceLatency: Histogram;
  readonly tokenUsage: Histogram;
  readonly clientDuration: Histogram;
  readonly firstChunk: Histogram;
  readonly perChunk: Histogram;
  readonly firstToken: Histogram;
  readonly perToken: Histogram;
  /** Called when the SDK collects, before it reads distributions. */
  onCollect: (() => void) | undefined;
  readonly #meter: Meter;
  readonly #totals: Totals;
  readonly #providerLatency = new Map<string, Histogram>();

  constructor(meter: Meter, totals: Totals) {
    this.#meter = meter;
    this.#totals = totals;
    this.duration = histogram(meter, GENOPS_METRICS.duration);
    this.latency = histogram(meter, GENOPS_METRICS.latency);
    this.inferenceLatency = histogram(meter, GENOPS_METRICS.inferenceLatency);
    this.tokenUsage = histogram(meter, GEN_AI_METRICS.tokenUsage);
    this.clientDuration = histogram(meter, GEN_AI_METRICS.duration);
    this.firstChunk = histogram(meter, GEN_AI_METRICS.firstChunk);
    this.perChunk = histogram(meter, GEN_AI_METRICS.perChunk);
    this.firstToken = histogram(meter, GEN_AI_METRICS.firstToken);
    this.perToken = histogram(meter, GEN_AI_METRICS.perToken);

    this.#sum(GENOPS_METRICS.cost, ({ team, provider, model, costUsd }) => [
      [{ team, provider, model }, costUsd],
    ]);
    this.#sum(GENOPS_METRICS.tokens, ({ model, inputTokens, outputTokens }) => [
      [{ model, direction: 'input' }, inputTokens],
      [{ model, direction: 'output' }, outputTokens],
    ]);
    this.#sum(GENOPS_METRICS.operations, ({ provider, team, calls }) => [[{ provider, team }, calls]]);
    this.#sum(GENOPS_METRICS.operationErrors, ({ provider, team, errors }) => [[{ provider, team }, errors]]);
    this.#sum(GENOPS_METRICS.inferenceRequests, ({ model, provider: engine, calls, errors }) => [
      [{ model, engine, status: 'success' }, calls - errors],
      [{ model, engine, status: 'error' }, errors],
    ]);
    this.#observe(GENOPS_METRICS.errors, () => totals.errors.points());
    this.#observe(GENOPS_METRICS.policyViolations, () => totals.violations.points());
    this.#observe(GENOPS_METRICS.throughput, () => totals.throughput());
  }

  /** `<provider>_latency_seconds`; the first time, the provider's sums too. */
  providerLatency(provider: string): Histogram {
    const known = this.#providerLatency.get(provider);
    if (known !== undefined) return known;
    const metrics = providerMetrics(provider);
    const only = (point: (series: CallSeries) => Point) => (series: CallSeries) =>
      series.provider === provider ? [point(series)] : [];
    this.#sum(
      metrics.requests,
      only(({ byTeam, calls }) => [byTeam, calls]),
    );
    this.#sum(
      metrics.cost,
      only(({ byTeam, costUsd }) => [byTeam, costUsd]),
    );
    const latency = histogram(this.#meter, metrics.latency);
    this.#providerLatency.set(provider, latency);
    return latency;
  }

  /** A sum whose points come from several series: what has the same labels is added up. */
  #sum(definition: MetricDefinition, pointsOf: (series: CallSeries) => readonly Point[]): void {
    this.#observe(definition, () => {
      const sums = new Map<string, Point>();
      for (const series of this.#totals.series.values()) {
        for (const [labels, value] of pointsOf(series)) {
          const key = JSON.stringify(labels);
          sums.set(key, [labels, value + (sums.get(key)?.[1] ?? 0)]);
        }
      }
      return sums.values();
    });
  }

  #observe(definition: MetricDefinition, points: () => Iterable<Point>): void {
    observable(this.#meter, definition).addCallback((result) => {
      this.onCollect?.();
      for (const [labels, value] of points()) result.observe(value, labels);
    });
  }
}

export function observable(meter: Meter, { name, kind, description, unit }: MetricDefinition): Observable {
  const options = { description, unit };
  if (kind === 'counter') return meter.createObservableCounter(name, options);
  if (kind === 'sum') return meter.createObservableUpDownCounter(name, options);
  return meter.createObservableGauge(name, options);
}

function histogram(meter: Meter, { name, description, unit, buckets = [] }: MetricDefinition): Histogram {
  return meter.createHistogram(name, {
    description,
    unit,
    advice: { explicitBucketBoundaries: [...buckets] },
  });
}
