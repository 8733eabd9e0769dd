// The packages of OpenTelemetry's SDK: optional peers, each loaded only when an exporter needs it.
import type * as OtlpMetrics from '@opentelemetry/exporter-metrics-otlp-http';
import type * as Prometheus from '@opentelemetry/exporter-prometheus';
import type * as OtlpTraces from '@opentelemetry/exporter-trace-otlp-http';
import type * as Resources from '@opentelemetry/resources';
import type * as Metrics from '@opentelemetry/sdk-metrics';
import type * as Traces from '@opentelemetry/sdk-trace-node';
import { InvalidInputError } from '../errors.js';

/** By name. */
interface Packages {
  readonly '@opentelemetry/exporter-metrics-otlp-http': typeof OtlpMetrics;
  readonly '@opentelemetry/exporter-prometheus': typeof Prometheus;
  readonly '@opentelemetry/exporter-trace-otlp-http': typeof OtlpTraces;
  readonly '@opentelemetry/resources': typeof Resources;
  readonly '@opentelemetry/sdk-metrics': typeof Metrics;
  readonly '@opentelemetry/sdk-trace-node': typeof Traces;
}

/** @throws InvalidInputError `INHOUSE_PACKAGE_MISSING` where the application has not installed it */
export async function sdk<Name extends keyof Packages>(name: Name): Promise<Packages[Name]> {
  try {
    return (await import(name)) as Packages[Name];
  } catch (cause) {
    const message = `setupTelemetry needs the package ${name}, which cannot be loaded. Run: npm install ${name}`;
    throw new InvalidInputError('INHOUSE_PACKAGE_MISSING', message, { cause, details: { package: name } });
  }
}
