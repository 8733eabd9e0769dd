// Metrics of governed calls, of every one, sampled or not. Sums are kept here and read by the SDK when it collects; only
// distributions are handed over call by call, after the call. Without an SDK a call costs a few additions.
import type { Meter, MeterProvider } from '@opentelemetry/api';
import { type Clock, systemClock } from '../clock.js';
import { otel } from './api.js';
import { type CallMeasurement, Distributions } from './distributions.js';
import { type TelemetryFaults, telemetryFaults } from './faults.js';
import { Instruments, type Point } from './instruments.js';
import { SCOPE } from './names.js';
import { errorType } from './redaction.js';
import { SeriesBook, Tally } from './series.js';

export interface MetricOptions {
  readonly clock?: Clock | undefined;
  readonly faults?: TelemetryFaults | undefined;
  /** Default: the one that the application has registered, now or later. */
  readonly meterProvider?: MeterProvider | undefined;
}

/** One per meter provider: two would each report their own sums under the same labels. */
export class GovernanceMetrics {
  readonly #clock: Clock;
  readonly #faults: TelemetryFaults;
  readonly #given: MeterProvider | undefined;
  readonly #series = new SeriesBook();
  readonly #errors = new Tally();
  readonly #violations = new Tally();
  #provider: MeterProvider | undefined;
  #distributions: Distributions | undefined;
  #readMs: number;
  #callsRead = new Map<string, number>();

  constructor(options: MetricOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#faults = options.faults ?? telemetryFaults;
    this.#given = options.meterProvider;
    this.#readMs = this.#clock.monotonic();
  }

  /** Counts a call. Never throws. */
  operation(call: CallMeasurement): void {
    try {
      const series = this.#series.of(call);
      series.add(call.costUsd, call.usage, call.error !== undefined);
      if (call.error !== undefined) this.failure(call.provider, call.error);
      this.#current()?.add(series, call);
    } catch (error) {
      this.#faults.record('metric', error);
    }
  }

  /** Counts a decision other than ALLOWED. */
  policyViolation(policy: string): void {
    this.#violations.add({ policy_name: policy });
  }

  /** Counts a failure of a part of the process that is not a governed call, such as 'ledger' or 'telemetry'. */
  failure(component: string, error: unknown): void {
    this.#errors.add({ component, error_type: errorType(error) });
  }

  /** Those of the meter provider of the moment: it may be registered after this was made. */
  #current(): Distributions | undefined {
    const provider = this.#given ?? otel?.metrics.getMeterProvider();
    if (provider === this.#provider) return this.#distributions;
    this.#provider = provider;
    const meter = provider?.getMeter(SCOPE);
    const present = meter !== undefined && meter !== otel?.createNoopMeter();
    this.#distributions = present ? new Distributions(this.#instruments(meter), this.#faults) : undefined;
    return this.#distributions;
  }

  #instruments(meter: Meter): Instruments {
    return new Instruments(meter, {
      series: this.#series,
      errors: this.#errors,
      violations: this.#violations,
      throughput: () => this.#throughput(),
    });
  }

  /** Calls per second since the last reading. */
  #throughput(): Point[] {
    const now = this.#clock.monotonic();
    const seconds = Math.max((now - this.#readMs) / 1000, 1e-3);
    const calls = new Map<string, number>();
    for (const series of this.#series.values()) {
      calls.set(series.model, (calls.get(series.model) ?? 0) + series.calls);
    }
    const before = this.#callsRead;
    this.#callsRead = calls;
    this.#readMs = now;
    return Array.from(calls, ([model, count]) => [{ model }, (count - (before.get(model) ?? 0)) / seconds]);
  }
}

/** Of this process, as the meter provider is that the application registers. */
export const governanceMetrics = new GovernanceMetrics();

const ofProviders = new WeakMap<MeterProvider, GovernanceMetrics>();

/** The one of a meter provider that is not registered but passed around; without one, that of the process. */
export function metricsOf(meterProvider: MeterProvider | undefined): GovernanceMetrics {
  if (meterProvider === undefined) return governanceMetrics;
  const known = ofProviders.get(meterProvider) ?? new GovernanceMetrics({ meterProvider });
  ofProviders.set(meterProvider, known);
  return known;
}
