// The tracer provider where there is no sdk-trace-node, as in OpenTelemetry 3. Its sdk-trace has the same API in version 2,
// which is what runs here.
import { createRequire } from 'node:module';
import { context, metrics, type ProxyTracerProvider, propagation, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { govern } from '#inhouse/governance/governed-provider.js';
import { stub } from '#inhouse/providers/stub.js';
import { setupTelemetry, TelemetryFaults } from '#inhouse/telemetry.js';
import { REQUEST } from '../governance/support/governed.js';
import { collector } from '../support/collector.js';
import { pretend } from '../support/pretend.js';

const api: Record<string, unknown> = createRequire(import.meta.url)('@opentelemetry/api');
let undo: () => void;

beforeEach(() => {
  undo = pretend('@opentelemetry/sdk-trace-node', '1.30.1');
});
afterEach(() => {
  undo();
  vi.restoreAllMocks();
  for (const global of [trace, metrics, context, propagation]) global.disable();
});

describe('with the API of OpenTelemetry 3', () => {
  beforeEach(() => {
    api.logs = {};
  });
  afterEach(() => {
    delete api.logs;
  });

  it.each([true, false])(
    'spans arrive, and follow asynchronous work and outgoing requests (batches: %s)',
    async (asyncExport) => {
      const { url, received, close } = await collector();
      const faults = new TelemetryFaults();
      const telemetry = await setupTelemetry({
        exporters: ['otlp'],
        otlpEndpoint: url,
        serviceName: 'desk',
        asyncExport,
        faults,
      });
      expect(telemetry.tracing).toBe('own');
      const provider = (trace.getTracerProvider() as ProxyTracerProvider).getDelegate();
      expect(provider.constructor.name).toBe('TracerProvider');
      const headers: Record<string, string> = {};
      await trace.getTracer('app').startActiveSpan('request', async (span) => {
        await Promise.resolve();
        await govern(stub({ name: 'gpt2' })).complete(REQUEST);
        propagation.inject(context.active(), headers);
        span.end();
      });
      await telemetry.flush();
      const resources = received
        .filter(({ path }) => path === '/v1/traces')
        .flatMap(({ body }) => JSON.parse(body).resourceSpans);
      expect(JSON.stringify(resources[0].resource)).toContain('desk');
      const spans = resources.flatMap(({ scopeSpans }) => scopeSpans).flatMap((scope) => scope.spans);
      const request = spans.find(({ name }) => name === 'request');
      const call = spans.find(({ name }) => name === 'gpt2.completion.create');
      expect(call.parentSpanId).toBe(request.spanId);
      expect(call.events.length).toBeGreaterThan(0);
      expect(headers.traceparent).toContain(request.spanId);
      expect(faults.count).toBe(0);

      await telemetry.shutdown();
      expect(trace.getTracer('app').startSpan('after').isRecording()).toBe(false);
      await close();
    },
  );

  it('the console exporter writes spans', async () => {
    const lines = vi.spyOn(console, 'dir').mockImplementation(() => {});
    const telemetry = await setupTelemetry({ asyncExport: false });
    await govern(stub({ name: 'gpt2' })).complete(REQUEST);
    await telemetry.shutdown();
    expect(JSON.stringify(lines.mock.calls)).toContain('gpt2.completion.create');
  });
});

it('with an older API, it is sdk-trace-node that is asked for', async () => {
  await expect(setupTelemetry()).rejects.toMatchObject({
    code: 'INHOUSE_PACKAGE_MISSING',
    message: expect.stringContaining('Run: npm install @opentelemetry/sdk-trace-node@2'),
  });
});
