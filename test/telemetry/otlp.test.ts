import { createRequire } from 'node:module';
import { context, metrics, trace } from '@opentelemetry/api';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { govern } from '#inhouse/governance/governed-provider.js';
import { stub } from '#inhouse/providers/stub.js';
import {
  setupTelemetry,
  type Telemetry,
  TelemetryFaults,
  type TelemetryOptions,
} from '#inhouse/telemetry.js';
import { REQUEST, rejection } from '../governance/support/governed.js';
import { collector } from '../support/collector.js';
import { grpcCollector } from '../support/grpc-collector.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  vi.unstubAllEnvs();
  trace.disable();
  metrics.disable();
  context.disable();
});

async function setUp(options: TelemetryOptions): Promise<Telemetry & { readonly faults: TelemetryFaults }> {
  const faults = new TelemetryFaults();
  const telemetry = await setupTelemetry({ exporters: ['otlp'], faults, exportTimeoutMs: 2000, ...options });
  open.push({ close: () => telemetry.shutdown() });
  return { ...telemetry, faults };
}

/** Optional peers: what is not installed cannot be tested. */
function missing(...packages: readonly string[]): boolean {
  const { resolve } = createRequire(import.meta.url);
  return packages.some((name) => {
    try {
      return !resolve(name);
    } catch {
      return true;
    }
  });
}

const GRPC = ['trace', 'metrics'].map((signal) => `@opentelemetry/exporter-${signal}-otlp-grpc`);
const LOGS = ['@opentelemetry/sdk-logs', '@opentelemetry/exporter-logs-otlp-http'];

describe('OTLP', () => {
  it.skipIf(missing(...GRPC))(
    'C-104: spans and metrics arrive at a collector over gRPC, with headers',
    async () => {
      const { url, received, close } = await grpcCollector();
      open.push({ close });
      vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc');
      const telemetry = await setUp({
        otlpEndpoint: url,
        otlpHeaders: { 'x-tenant': 'acme' },
        serviceName: 'desk',
      });
      await govern(stub({ name: 'gpt2' })).complete(REQUEST);
      await telemetry.flush();
      const traces = received.find(({ path }) => path.endsWith('TraceService/Export'))!;
      expect(traces.headers['x-tenant']).toBe('acme');
      expect(traces.body).toContain('gpt2.completion.create');
      expect(traces.body).toContain('desk');
      const sent = received.find(({ path }) => path.endsWith('MetricsService/Export'))!;
      expect(sent.body).toContain('genops_operations_total');
      expect(telemetry.faults.count).toBe(0);
    },
  );

  it.skipIf(missing(...LOGS))(
    'C-104: what governance logs arrives over HTTP, from the level on, redacted',
    async () => {
      const { url, received, close } = await collector();
      open.push({ close });
      const telemetry = await setUp({ otlpEndpoint: url, logLevel: 'error', serviceName: 'desk' });
      const { logger } = telemetry;
      expect(logger?.level).toBe('error');
      const fault = () => new Error('api_key=abcdef12 is wrong');
      const governed = govern(stub({ name: 'gpt2', fault }), {
        logger,
        enableRetry: false,
        governancePolicy: 'enforced',
      });
      await rejection(governed.complete({ ...REQUEST, model: 'gpt2' }, { attributes: { feature: 'x' } }));
      await telemetry.flush();
      const logs = received.filter(({ path }) => path === '/v1/logs').map(({ body }) => JSON.parse(body));
      const [{ resource, scopeLogs }] = logs.flatMap(({ resourceLogs }) => resourceLogs);
      expect(JSON.stringify(resource)).toContain('desk');
      const records = scopeLogs[0].logRecords;
      expect(records).toMatchObject([
        { severityNumber: 17, severityText: 'ERROR', body: { stringValue: 'Call failed' } },
      ]);
      expect(JSON.stringify(records)).toContain('[REDACTED]');
      expect(JSON.stringify(records)).not.toContain('abcdef12');
      expect(telemetry.faults.count).toBe(0);
    },
  );

  it('logs nothing that was not asked for', async () => {
    const { url, close } = await collector();
    open.push({ close });
    expect((await setUp({ otlpEndpoint: url })).logger).toBeUndefined();
    expect((await setUp({ exporters: [], logLevel: 'info' })).logger).toBeUndefined();
  });
});
