import { BatchSpanProcessor, NodeTracerProvider, type SpanExporter } from '@opentelemetry/sdk-trace-node';
import { describe, expect, it } from 'vitest';
import { SpanRecorder } from '#inhouse/governance/telemetry/spans.js';
import { counted } from '#inhouse/telemetry/counted.js';
import { TelemetryFaults } from '#inhouse/telemetry.js';
import { start } from '../governance/telemetry/support.js';

/** What so many calls leave behind where spans are exported with `send`, in batches of 100. */
async function exporting(send: SpanExporter['export'], calls = 50): Promise<TelemetryFaults> {
  const faults = new TelemetryFaults();
  const exporter = counted({ export: send, shutdown: async () => {} }, 20, faults);
  const processor = new BatchSpanProcessor(exporter, { maxExportBatchSize: 100, scheduledDelayMillis: 1e6 });
  const tracerProvider = new NodeTracerProvider({ spanProcessors: [processor] });
  const recorder = new SpanRecorder({ tracerProvider, faults });
  for (let call = 0; call < calls; call++) recorder.start(start)!.end();
  await processor.forceFlush().catch(() => {}); // the SDK passes on what the exporter reports
  await tracerProvider.shutdown().catch(() => {});
  return faults;
}

describe('a counted exporter', () => {
  it('passes spans on in batches, and counts nothing that goes well', async () => {
    const batches: number[] = [];
    const faults = await exporting((spans, done) => {
      batches.push(spans.length);
      done({ code: 0 });
    }, 250);
    expect(batches.reduce((sum, size) => sum + size, 0)).toBe(250);
    expect(Math.max(...batches)).toBe(100);
    expect(faults.count).toBe(0);
  });

  it('C-105: counts each batch that it reports as failed, throws at, or never answers', async () => {
    const failing = await exporting((_, done) => done({ code: 1, error: new Error('api_key=abcdef12') }));
    expect([failing.count, failing.last]).toEqual([1, { source: 'export', message: 'api_key=[REDACTED]' }]);

    const throwing = await exporting(() => {
      throw new Error('broken');
    });
    expect([throwing.count, throwing.last]).toEqual([1, { source: 'export', message: 'broken' }]);

    const silent = await exporting(() => {});
    expect([silent.count, silent.last?.message]).toEqual([1, 'no answer within 20 ms']);
  });

  it('answers once, whatever the exporter says later', async () => {
    const faults = await exporting((_, done) => {
      done({ code: 0 });
      done({ code: 1 });
    });
    expect(faults.count).toBe(0);
  });
});
