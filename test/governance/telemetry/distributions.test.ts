// Values of histograms leave after their call, complete when the SDK collects.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Context, context, createContextKey, createNoopMeter, ROOT_CONTEXT } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { TelemetryFaults } from '#inhouse/governance/telemetry/faults.js';
import { GovernanceMetrics } from '#inhouse/governance/telemetry/metrics.js';
import { call } from './support.js';

type Recorded = (name: string, value: number, context: Context | undefined) => void;

/** A meter whose histograms tell what they are given. */
function meterProvider(recorded: Recorded) {
  const meter = Object.create(createNoopMeter());
  meter.createHistogram = (name: string) => ({
    record: (value: number, _labels: unknown, context?: Context) => recorded(name, value, context),
  });
  return { getMeter: () => meter };
}

const manager = new AsyncLocalStorageContextManager();
beforeAll(() => void context.setGlobalContextManager(manager.enable()));
afterAll(() => context.disable());

it('reach the SDK once the event loop has turned, each in the context in which its call ended', async () => {
  const durations: unknown[] = [];
  const provider = meterProvider((name, value, context) => {
    if (name === 'genops_operation_duration_seconds') durations.push([value, context]);
  });
  const metrics = new GovernanceMetrics({ meterProvider: provider });
  const inner = ROOT_CONTEXT.setValue(createContextKey('call'), 1);
  metrics.operation(call);
  context.with(inner, () => metrics.operation({ ...call, durationMs: 80 }));
  expect(durations).toEqual([]);
  await nextTurn();
  expect(durations).toEqual([
    [0.07, ROOT_CONTEXT],
    [0.08, inner],
  ]);
});

it('C-105: histograms that throw are counted and nothing more', async () => {
  const faults = new TelemetryFaults();
  const provider = meterProvider(() => {
    throw new Error('no histogram');
  });
  const metrics = new GovernanceMetrics({ meterProvider: provider, faults });
  metrics.operation(call);
  metrics.operation(call);
  await nextTurn();
  expect([faults.count, faults.last]).toEqual([2, { source: 'metric', message: 'no histogram' }]);
});
