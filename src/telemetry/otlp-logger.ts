// A logger whose messages leave over OTLP. It is handed out, not registered: what else a program logs is its own business.
import type { Resource } from '@opentelemetry/resources';
import type { LoggerProvider } from '@opentelemetry/sdk-logs';
import { type Logger, type LogLevel, loggerTo } from '../governance/logging.js';
import type { TelemetryFaults } from '../governance/telemetry/faults.js';
import { SCOPE } from '../governance/telemetry/names.js';
import { counted } from './counted.js';
import { type OtlpSettings, otlpConfig } from './otlp.js';
import { sdk } from './packages.js';

export interface LogSettings extends OtlpSettings {
  readonly logLevel: LogLevel;
  readonly batchSize: number;
  readonly faults: TelemetryFaults;
}

type LogAttributes = NonNullable<
  Parameters<ReturnType<LoggerProvider['getLogger']>['emit']>[0]['attributes']
>;

/** Numbers of OpenTelemetry's log data model. */
const SEVERITY = { debug: 5, info: 9, warn: 13, error: 17 } as const satisfies Record<LogLevel, number>;

/** Messages carry the span that is active where they are written. */
export async function otlpLogger(
  settings: LogSettings,
  resource: Resource,
): Promise<{ readonly provider: LoggerProvider; readonly logger: Logger }> {
  const { batchSize: maxExportBatchSize, exportTimeoutMs: exportTimeoutMillis, faults } = settings;
  const { LoggerProvider, BatchLogRecordProcessor } = await sdk('@opentelemetry/sdk-logs');
  const { OTLPLogExporter } = await sdk(`@opentelemetry/exporter-logs-otlp-${settings.otlpProtocol}`);
  const bare = new OTLPLogExporter(await otlpConfig(settings, 'logs'));
  const exporter = counted(bare, exportTimeoutMillis, faults);
  const maxQueueSize = Math.max(2048, 2 * maxExportBatchSize);
  const batches = { exporter, maxExportBatchSize, maxQueueSize, exportTimeoutMillis };
  const provider = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor(batches)] });
  const target = provider.getLogger(SCOPE);
  const logger = loggerTo(settings.logLevel, (level, fields, body) =>
    target.emit({
      severityNumber: SEVERITY[level],
      severityText: level.toUpperCase(),
      body,
      attributes: fields as LogAttributes,
    }),
  );
  return { provider, logger };
}
