// The packages of OpenTelemetry's SDK: optional peers, each loaded only when an exporter needs it, in a version that is known.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { ContextManager, TextMapPropagator, TracerProvider } from '@opentelemetry/api';
import type * as Prometheus from '@opentelemetry/exporter-prometheus';
import type * as Resources from '@opentelemetry/resources';
import type * as Logs from '@opentelemetry/sdk-logs';
import type * as Metrics from '@opentelemetry/sdk-metrics';
import { InvalidInputError } from '../errors.js';
import { otel } from '../governance/telemetry/api.js';
import type { Exporter } from './counted.js';

/** What is told to an exporter of OTLP: over HTTP `headers`, over gRPC `metadata`. */
export interface OtlpConfig {
  readonly timeoutMillis: number;
  readonly url?: string;
  readonly headers?: Record<string, string>;
  readonly metadata?: unknown;
}

/** A package with one exporter, spelled out because an application has those of its own protocol only. */
type Exports<Name extends string, Exporter> = { readonly [N in Name]: new (config: OtlpConfig) => Exporter };
type OtlpTraces = Exports<'OTLPTraceExporter', SpanExporter>;
type OtlpMetrics = Exports<'OTLPMetricExporter', Metrics.PushMetricExporter>;
type OtlpLogs = Exports<'OTLPLogExporter', Logs.LogRecordExporter>;

export type SpanExporter = Exporter<unknown>;
export type SpanProcessor = object;

export interface SpanBatches {
  readonly maxExportBatchSize: number;
  readonly maxQueueSize: number;
  readonly exportTimeoutMillis: number;
}

export interface SdkTracerProvider extends TracerProvider {
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

interface TracerOptions {
  readonly resource: Resources.Resource;
  readonly spanProcessors: readonly SpanProcessor[];
}

/** Spelled out like version 3's, because an application has one of the two. */
interface Traces2 {
  readonly NodeTracerProvider: new (options: TracerOptions) => SdkTracerProvider & { register(): void };
  readonly BatchSpanProcessor: new (exporter: SpanExporter, batches: SpanBatches) => SpanProcessor;
  readonly SimpleSpanProcessor: new (exporter: SpanExporter) => SpanProcessor;
  readonly ConsoleSpanExporter: new () => SpanExporter;
}

interface Traces3 {
  readonly TracerProvider: new (options: TracerOptions) => SdkTracerProvider;
  readonly BatchSpanProcessor: new (
    options: SpanBatches & { readonly exporter: SpanExporter },
  ) => SpanProcessor;
  readonly SimpleSpanProcessor: new (options: { readonly exporter: SpanExporter }) => SpanProcessor;
  readonly ConsoleSpanExporter: new () => SpanExporter;
}

interface Core {
  readonly CompositePropagator: new (options: { propagators: TextMapPropagator[] }) => TextMapPropagator;
  readonly W3CTraceContextPropagator: new () => TextMapPropagator;
  readonly W3CBaggagePropagator: new () => TextMapPropagator;
}

/** By name. */
interface Packages {
  readonly '@grpc/grpc-js': { readonly Metadata: { fromHttp2Headers(headers: object): unknown } };
  readonly '@opentelemetry/context-async-hooks': {
    readonly AsyncLocalStorageContextManager: new () => ContextManager;
  };
  readonly '@opentelemetry/core': Core;
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
  readonly '@opentelemetry/sdk-trace': Traces3;
  readonly '@opentelemetry/sdk-trace-node': Traces2;
}

/** @throws InvalidInputError `INHOUSE_PACKAGE_MISSING` where the application has none, or not in a version that is known */
export async function sdk<Name extends keyof Packages>(name: Name): Promise<Packages[Name]> {
  const version = installedVersion(name);
  if (version !== undefined && !isKnown(name, version)) {
    const message = `setupTelemetry needs another version of ${name} than ${version}, which is installed.`;
    throw missing(name, message, { version });
  }
  try {
    return (await import(name)) as Packages[Name];
  } catch (cause) {
    throw missing(name, `setupTelemetry needs the package ${name}, which cannot be loaded.`, { cause });
  }
}

/** Version 3 of the SDK asks for API 1.10, which brought the logs, and version 2 for an older one. */
export function sdkVersion(): 2 | 3 {
  return otel !== undefined && 'logs' in otel ? 3 : 2;
}

function missing(
  name: string,
  message: string,
  { version, cause }: { readonly version?: string; readonly cause?: unknown },
): InvalidInputError {
  const command = `npm install ${wanted(name)}`;
  const details = { package: name, ...(version !== undefined && { version }) };
  return new InvalidInputError('INHOUSE_PACKAGE_MISSING', `${message} Run: ${command}`, { cause, details });
}

/** In the version that goes with the API that is there: npm refuses others. */
function wanted(name: string): string {
  if (!name.startsWith('@opentelemetry/')) return name;
  const major = sdkVersion();
  const unstable = name.includes('/exporter-') || (major === 2 && name.endsWith('/sdk-logs'));
  return `${name}@${unstable ? { 2: '0.222', 3: '0.301' }[major] : major}`;
}

/** Packages that are not stable are numbered 0.2xx in version 2 and 0.3xx in version 3. */
export function isKnown(name: string, version: string): boolean {
  if (!name.startsWith('@opentelemetry/')) return true;
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 0) return major === 2 || major === 3;
  const oldest = name.endsWith('/sdk-logs') ? 220 : 200; // before that, its processors took other arguments
  return minor >= oldest && minor < 400;
}

/** Read from its package.json, which the package does not let us import; undefined where there is none to be found. */
function installedVersion(name: string): string | undefined {
  try {
    let folder = dirname(createRequire(import.meta.url).resolve(name));
    for (; dirname(folder) !== folder; folder = dirname(folder)) {
      const manifest = readManifest(folder);
      if (manifest?.name === name) return manifest.version;
    }
  } catch {} // not installed, which its import will tell
  return undefined;
}

function readManifest(folder: string): { readonly name?: string; readonly version?: string } | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  } catch {
    return undefined;
  }
}
