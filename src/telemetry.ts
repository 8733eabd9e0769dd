// The entry `inhouse/telemetry`: sets up OpenTelemetry's SDK for a program that has none. A program with a set-up of its
// own does not need it: governed calls use whatever SDK is registered.
import type { MeterProviderOptions } from '@opentelemetry/sdk-metrics';
import { InvalidInputError } from './errors.js';
import type { Logger, LogLevel } from './governance/logging.js';
import type { GpuReading } from './governance/machine.js';
import { otel } from './governance/telemetry/api.js';
import { type TelemetryFaults, telemetryFaults } from './governance/telemetry/faults.js';
import { SCOPE } from './governance/telemetry/names.js';
import { activeTracer } from './governance/telemetry/spans.js';
import { checkOptions, rule } from './options.js';
import { counted } from './telemetry/counted.js';
import { type OtlpProtocol, otlpConfig } from './telemetry/otlp.js';
import { otlpLogger } from './telemetry/otlp-logger.js';
import { sdk } from './telemetry/packages.js';
import { observeGpus, observeProcess } from './telemetry/process-metrics.js';
import { type PrometheusOptions, prometheusEndpoint } from './telemetry/prometheus.js';
import { tracers } from './telemetry/tracer-provider.js';

export {
  type ComplianceReport,
  checkCompliance,
  type ExportedSpan,
  type Violation,
} from './governance/telemetry/compliance.js';
export { type Fault, TelemetryFaults, telemetryFaults } from './governance/telemetry/faults.js';
export type { OtlpProtocol } from './telemetry/otlp.js';
export type { PrometheusOptions } from './telemetry/prometheus.js';

/** 'console': spans and metrics on standard output. 'otlp': both to a collector. 'prometheus': metrics to be scraped. */
export type ExporterName = 'console' | 'otlp' | 'prometheus';

export interface TelemetryOptions {
  /** Default: OTEL_SERVICE_NAME, else 'genops-ai-app'. */
  readonly serviceName?: string | undefined;
  /** Default '0.1.0'. */
  readonly serviceVersion?: string | undefined;
  /** `deployment.environment`. Default: GENOPS_ENVIRONMENT, else 'production'. */
  readonly environment?: string | undefined;
  /** Default ['console']. */
  readonly exporters?: readonly ExporterName[] | undefined;
  /** Default: 'grpc' where OTEL_EXPORTER_OTLP_PROTOCOL says so, else 'http'. */
  readonly otlpProtocol?: OtlpProtocol | undefined;
  /**
   * Default: OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4318, and port 4317 for 'grpc'. Over HTTP `/v1/traces`,
   * `/v1/metrics` and `/v1/logs` are added.
   */
  readonly otlpEndpoint?: string | undefined;
  readonly otlpHeaders?: Readonly<Record<string, string>> | undefined;
  /** With 'otlp': also logs, from this level on, through `logger` of the result. Default: no logs. */
  readonly logLevel?: LogLevel | undefined;
  /** Reads the GPUs for the metrics, such as `gpuStatistics`. Default: they are not looked at. */
  readonly gpus?: (() => Promise<readonly GpuReading[]>) | undefined;
  /** Spans are exported together, off the path of the calls. Default: GENOPS_ASYNC_EXPORT, else true. */
  readonly asyncExport?: boolean | undefined;
  /** Most spans per export. Default: GENOPS_BATCH_SIZE, else 100. */
  readonly batchSize?: number | undefined;
  /** What an export may take before it counts as failed. Default: GENOPS_EXPORT_TIMEOUT, in seconds, else 5 s. */
  readonly exportTimeoutMs?: number | undefined;
  /** Between exports of metrics by 'console' and 'otlp'. Default 60 000. */
  readonly metricIntervalMs?: number | undefined;
  readonly prometheus?: PrometheusOptions | undefined;
  /** Where failed exports are counted. Default: those of the process. */
  readonly faults?: TelemetryFaults | undefined;
}

export interface Telemetry {
  /** 'existing': the program had a tracer (meter) provider, which was left alone. 'none': no exporter asks for it. */
  readonly tracing: 'own' | 'existing' | 'none';
  readonly metering: 'own' | 'existing' | 'none';
  /** Where Prometheus finds the metrics, with that exporter. */
  readonly prometheusUrl: string | undefined;
  /** For `govern`: its messages leave over OTLP. Undefined unless `logLevel` asks for it. */
  readonly logger: Logger | undefined;
  /** Exports what is waiting. A failing exporter is counted, not thrown. */
  flush(): Promise<void>;
  /** Flushes and takes the own providers away; what others registered stays. */
  shutdown(): Promise<void>;
}

type Variables = Readonly<Record<string, string | undefined>>;
type Settings = ReturnType<typeof settingsFrom>;

/** A provider that was made here. */
interface Own {
  readonly provider: { forceFlush(): Promise<void>; shutdown(): Promise<void> };
  /** Takes it out of the API, where it was registered. */
  unregister?(): void;
}

const EXPORTERS: readonly string[] = ['console', 'otlp', 'prometheus'] satisfies ExporterName[];

const OPTION_RULES = {
  serviceName: rule.text,
  serviceVersion: rule.text,
  environment: rule.text,
  exporters: rule.arrayOf("'console', 'otlp' or 'prometheus'", (name) => EXPORTERS.includes(name as string)),
  otlpEndpoint: rule.text,
  otlpProtocol: rule.oneOf('http', 'grpc'),
  otlpHeaders: () => undefined,
  logLevel: rule.oneOf('debug', 'info', 'warn', 'error'),
  gpus: rule.function,
  asyncExport: rule.boolean,
  batchSize: rule.integer(1, 10_000),
  exportTimeoutMs: rule.above(0, 600_000),
  metricIntervalMs: rule.above(0),
  prometheus: () => undefined,
  faults: () => undefined,
};

/**
 * Registers tracer and meter providers with the exporters asked for; providers that are registered already are used as
 * they are. Exports run in the background and never fail a call. A set-up that fails leaves nothing
 * running.
 * @throws InvalidInputError `INHOUSE_PACKAGE_MISSING` naming the package to install; `INHOUSE_INVALID_OPTION` and
 * `INHOUSE_UNKNOWN_OPTION` for options, and for a Prometheus address that is taken
 */
export async function setupTelemetry(options: TelemetryOptions = {}): Promise<Telemetry> {
  checkOptions('setupTelemetry', options, OPTION_RULES);
  if (otel === undefined) {
    const message =
      'setupTelemetry needs the package @opentelemetry/api. Run: npm install @opentelemetry/api';
    throw new InvalidInputError('INHOUSE_PACKAGE_MISSING', message, {
      details: { package: '@opentelemetry/api' },
    });
  }
  const settings = settingsFrom(options, process.env);
  const own: Own[] = [];
  const shutdown = async () => {
    await eachContained(own, settings.faults, (provider) => provider.shutdown());
    for (const { unregister } of own) unregister?.();
  };
  try {
    const tracing = await setUpTracing(settings, own);
    const { metering, prometheusUrl } = await setUpMetering(settings, own);
    const logger = await setUpLogging(settings, own);
    const flush = () => eachContained(own, settings.faults, (provider) => provider.forceFlush());
    return { tracing, metering, prometheusUrl, logger, flush, shutdown };
  } catch (error) {
    await shutdown();
    throw error;
  }
}

async function setUpTracing(settings: Settings, own: Own[]): Promise<Telemetry['tracing']> {
  if (activeTracer() !== undefined) return 'existing';
  if (settings.exporters.every((name) => name === 'prometheus')) return 'none';
  const { register, consoleExporter } = await tracers();
  const { batchSize: maxExportBatchSize, exportTimeoutMs: exportTimeoutMillis, faults } = settings;
  const exporters = [];
  if (settings.exporters.includes('console')) exporters.push(consoleExporter());
  if (settings.exporters.includes('otlp')) {
    const { OTLPTraceExporter } = await sdk(`@opentelemetry/exporter-trace-otlp-${settings.otlpProtocol}`);
    exporters.push(new OTLPTraceExporter(await otlpConfig(settings, 'traces')));
  }
  const maxQueueSize = Math.max(2048, 2 * maxExportBatchSize); // beyond it spans are dropped
  const provider = register({
    resource: await resource(settings),
    batches: settings.asyncExport ? { maxExportBatchSize, maxQueueSize, exportTimeoutMillis } : undefined,
    exporters: exporters.map((bare) => counted(bare, exportTimeoutMillis, faults)),
  });
  own.push({
    provider,
    unregister() {
      otel!.trace.disable();
      otel!.context.disable();
      otel!.propagation.disable();
    },
  });
  return 'own';
}

async function setUpMetering(
  settings: Settings,
  own: Own[],
): Promise<Pick<Telemetry, 'metering' | 'prometheusUrl'>> {
  if (otel!.metrics.getMeterProvider().getMeter(SCOPE) !== otel!.createNoopMeter()) {
    return { metering: 'existing', prometheusUrl: undefined };
  }
  const { exporters, metricIntervalMs, exportTimeoutMs, faults } = settings;
  if (exporters.length === 0) return { metering: 'none', prometheusUrl: undefined };
  const { MeterProvider, PeriodicExportingMetricReader, ConsoleMetricExporter } = await sdk(
    '@opentelemetry/sdk-metrics',
  );
  const described = await resource(settings);
  const pushed = [];
  if (exporters.includes('console')) pushed.push(new ConsoleMetricExporter());
  if (exporters.includes('otlp')) {
    const { OTLPMetricExporter } = await sdk(`@opentelemetry/exporter-metrics-otlp-${settings.otlpProtocol}`);
    pushed.push(new OTLPMetricExporter(await otlpConfig(settings, 'metrics')));
  }
  const readers: MeterProviderOptions['readers'] = pushed.map(
    (bare) =>
      new PeriodicExportingMetricReader({
        exporter: counted(bare, exportTimeoutMs, faults),
        exportIntervalMillis: metricIntervalMs,
        exportTimeoutMillis: Math.min(exportTimeoutMs, metricIntervalMs),
      }),
  );
  // Last of what can fail, for it listens from here on.
  const endpoint = exporters.includes('prometheus')
    ? await prometheusEndpoint(settings.prometheus)
    : undefined;
  if (endpoint !== undefined) readers.push(endpoint.reader);
  const provider = new MeterProvider({ resource: described, readers });
  otel!.metrics.setGlobalMeterProvider(provider);
  observeProcess(provider.getMeter(SCOPE));
  if (settings.gpus) observeGpus(provider.getMeter(SCOPE), settings.gpus);
  own.push({ provider, unregister: () => otel!.metrics.disable() });
  return { metering: 'own', prometheusUrl: endpoint?.url };
}

async function setUpLogging(settings: Settings, own: Own[]): Promise<Logger | undefined> {
  const { exporters, logLevel } = settings;
  if (logLevel === undefined || !exporters.includes('otlp')) return undefined;
  const { provider, logger } = await otlpLogger({ ...settings, logLevel }, await resource(settings));
  own.push({ provider });
  return logger;
}

/** OTEL_RESOURCE_ATTRIBUTES and OTEL_SERVICE_NAME over the defaults, what was given over all. */
async function resource({ given }: Settings) {
  const { detectResources, envDetector, resourceFromAttributes } = await sdk('@opentelemetry/resources');
  const defaults = {
    'service.name': 'genops-ai-app',
    'service.version': '0.1.0',
    'deployment.environment': process.env.GENOPS_ENVIRONMENT || 'production',
  };
  const named: Record<string, string> = {};
  if (given.serviceName !== undefined) named['service.name'] = given.serviceName;
  if (given.serviceVersion !== undefined) named['service.version'] = given.serviceVersion;
  if (given.environment !== undefined) named['deployment.environment'] = given.environment;
  return resourceFromAttributes(defaults)
    .merge(detectResources({ detectors: [envDetector] }))
    .merge(resourceFromAttributes(named));
}

function settingsFrom(given: TelemetryOptions, variables: Variables) {
  const seconds = number(variables, 'GENOPS_EXPORT_TIMEOUT');
  return {
    given,
    exporters: given.exporters ?? ['console'],
    otlpProtocol: given.otlpProtocol ?? (variables.OTEL_EXPORTER_OTLP_PROTOCOL === 'grpc' ? 'grpc' : 'http'),
    otlpEndpoint: given.otlpEndpoint,
    otlpHeaders: given.otlpHeaders,
    logLevel: given.logLevel,
    gpus: given.gpus,
    asyncExport: given.asyncExport ?? variables.GENOPS_ASYNC_EXPORT?.toLowerCase() !== 'false',
    batchSize: given.batchSize ?? number(variables, 'GENOPS_BATCH_SIZE') ?? 100,
    exportTimeoutMs: given.exportTimeoutMs ?? (seconds === undefined ? 5_000 : seconds * 1000),
    metricIntervalMs: given.metricIntervalMs ?? 60_000,
    prometheus: given.prometheus,
    faults: given.faults ?? telemetryFaults,
  };
}

/** @throws InvalidInputError for a variable that is not a number above 0 */
function number(variables: Variables, name: string): number | undefined {
  const text = variables[name]?.trim();
  if (!text) return undefined;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  const message = `${name} is ${JSON.stringify(text)}; it must be a number above 0.`;
  throw new InvalidInputError('INHOUSE_INVALID_OPTION', message, { details: { option: name } });
}

async function eachContained(
  own: readonly Own[],
  faults: TelemetryFaults,
  action: (provider: Own['provider']) => Promise<void>,
): Promise<void> {
  for (const { provider } of own) {
    await action(provider).catch((error: unknown) => faults.record('export', error));
  }
}
