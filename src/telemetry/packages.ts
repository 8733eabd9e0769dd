// The packages of OpenTelemetry's SDK: optional peers, each loaded only when an exporter needs it.
import type * as Prometheus from '@opentelemetry/exporter-prometheus';
import type * as Resources from '@opentelemetry/resources';
import type * as Logs from '@opentelemetry/sdk-logs';
import type * as Metrics from '@opentelemetry/sdk-metrics';
import type * as Traces from '@opentelemetry/sdk-trace-node';
import { InvalidInputError } from '../errors.js';

/** What is told to an exporter of OTLP: over HTTP `headers`, over gRPC `metadata`. */
export interface OtlpConfig {
  readonly timeoutMillis: number;
  readonly url?: string;
  readonly headers?: Record<string, string>;
  readonly metadata?: unknown;
}

/** A package with one exporter, spelled out because an application has those of its own protocol only. */
type Exports<Name extends string, Exporter> = { readonly [N in Name]: new (config: OtlpConfig) => Exporter };
type OtlpTraces = Exports<'OTLPTraceExporter', Traces.SpanExporter>;
type OtlpMetrics = Exports<'OTLPMetricExporter', Metrics.PushMetricExporter>;
type OtlpLogs = Exports<'OTLPLogExporter', Logs.LogRecordExporter>;

/** By name. */
interface Packages {
  readonly '@grpc/grpc-js': { readonly Metadata: { fromHttp2Headers(headers: object): unknown } };
  readonly '@opentelemetry/exporter-logs-otlp-grpc': OtlpLogs;
  readonly '@opentelemetry/exporter-logs-otlp-http': OtlpLogs;
  readonly '@opentelemetry/exporter-metrics-otlp-grpc': OtlpMetrics;
  readonly '@opentelemetry/exporter-metrics-otlp-http': OtlpMetrics;
  readonly '@opentelemetry/exporter-prometheus': typeof Prometheus;
  readonly '@opentelemetry/exporter-trace-otlp-grpc': OtlpTraces;
  readonly '@opentelemetry/exporter-trace-otlp-http': OtlpTraces;
  readonly '@opentelemetry/resources': typeof Resources;
  readonly '@opentelemetry/sdk-logs': typeof Logs;
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
