import { describe, expect, it } from 'vitest';
import { ProviderError } from '#inhouse/errors.js';
import type { CallMeasurement } from '#inhouse/governance/telemetry/distributions.js';
import { TelemetryFaults } from '#inhouse/governance/telemetry/faults.js';
import {
  GEN_AI_METRICS,
  GENOPS_METRICS,
  type MetricDefinition,
  providerMetrics,
} from '#inhouse/governance/telemetry/metric-names.js';
import { GovernanceMetrics, governanceMetrics, metricsOf } from '#inhouse/governance/telemetry/metrics.js';
import { TelemetrySampler } from '#inhouse/governance/telemetry/sampling.js';
import { FakeClock } from '../../support/fake-clock.js';
import { metering } from '../../support/metering.js';
import { call, recording, start } from './support.js';

const failure: CallMeasurement = {
  ...call,
  timings: undefined,
  usage: undefined,
  costUsd: 0,
  error: new ProviderError('INHOUSE_PROVIDER_FAILED', 'no'),
};

function measured() {
  const { provider, read } = metering();
  const clock = new FakeClock();
  return { metrics: new GovernanceMetrics({ meterProvider: provider, clock }), clock, read };
}

describe('metrics of governed calls', () => {
  it('C-19 D-23: every metric is there under its name, with exactly its labels', async () => {
    const { metrics, read } = measured();
    metrics.operation(call);
    metrics.operation(failure);
    metrics.operation({ ...call, kind: 'remote' });
    metrics.policyViolation('spend');
    const found = await read();
    const definitions: MetricDefinition[] = [
      ...Object.values(GENOPS_METRICS),
      ...Object.values(GEN_AI_METRICS),
      ...Object.values(providerMetrics('gpt2')),
    ];
    expect([...found.keys()].sort()).toEqual(definitions.map(({ name }) => name).sort());
    for (const { name, labels, buckets } of definitions) {
      const used = new Set(found.get(name)!.flatMap((point) => Object.keys(point.labels)));
      expect([name, ...[...used].sort()]).toEqual([name, ...[...labels].sort()]);
      expect(found.get(name)![0]!.boundaries).toEqual(buckets);
    }
  });

  it('C-19: no label names a customer, a session, a user or a request', () => {
    const definitions: MetricDefinition[] = [
      ...Object.values(GENOPS_METRICS),
      ...Object.values(GEN_AI_METRICS),
      ...Object.values(providerMetrics('gpt2')),
    ];
    const labels = definitions.flatMap((definition) => definition.labels);
    expect(labels.filter((label) => /customer|session|user|request_id/.test(label))).toEqual([]);
  });

  it('C-19: sums are exact, whatever combination of labels asks for them', async () => {
    const { metrics, read } = measured();
    metrics.operation(call);
    metrics.operation({ ...call, operation: 'chat' });
    metrics.operation({ ...call, team: 'mail', costUsd: 1 });
    metrics.operation(failure);
    metrics.policyViolation('spend');
    metrics.policyViolation('spend');
    const found = await read();
    expect(found.get('genops.cost')).toEqual([
      { labels: { team: 'search', provider: 'gpt2', model: 'gpt2' }, value: 4e-7 },
      { labels: { team: 'mail', provider: 'gpt2', model: 'gpt2' }, value: 1 },
    ]);
    expect(found.get('genops.tokens')).toEqual([
      { labels: { model: 'gpt2', direction: 'input' }, value: 21 },
      { labels: { model: 'gpt2', direction: 'output' }, value: 9 },
    ]);
    expect(found.get('genops_operations_total')).toEqual([
      { labels: { provider: 'gpt2', team: 'search' }, value: 3 },
      { labels: { provider: 'gpt2', team: 'mail' }, value: 1 },
    ]);
    expect(found.get('genops_operation_errors_total')?.[0]?.value).toBe(1);
    expect(found.get('genops_policy_violations_total')).toEqual([
      { labels: { policy_name: 'spend' }, value: 2 },
    ]);
    expect(found.get('errors_total')).toEqual([
      { labels: { component: 'gpt2', error_type: 'INHOUSE_PROVIDER_FAILED' }, value: 1 },
    ]);
    expect(found.get('inference_requests_total')).toEqual([
      { labels: { model: 'gpt2', engine: 'gpt2', status: 'success' }, value: 3 },
      { labels: { model: 'gpt2', engine: 'gpt2', status: 'error' }, value: 1 },
    ]);
    expect(found.get('gpt2_requests_total')?.map(({ value }) => value)).toEqual([3, 1]);
    expect(found.get('gpt2_cost_usd')?.map(({ value }) => value)).toEqual([4e-7, 1]);
  });

  it('times are in seconds', async () => {
    const { metrics, read } = measured();
    metrics.operation(call);
    const found = await read();
    expect(found.get('genops_operation_duration_seconds')?.[0]?.sum).toBe(0.07);
    expect(found.get('genops_operation_latency_seconds')?.[0]?.sum).toBe(0.06);
    expect(found.get('gen_ai.server.time_to_first_token')?.[0]?.sum).toBe(0.02);
    expect(found.get('gen_ai.server.time_per_output_token')?.[0]?.sum).toBe(0.01);
  });

  it('a remote provider is timed by chunk, not by token', async () => {
    const { metrics, read } = measured();
    metrics.operation({ ...call, provider: 'vllm', kind: 'remote' });
    const found = await read();
    expect([...found.keys()].filter((name) => name.startsWith('gen_ai.server'))).toEqual([]);
    expect(found.get('gen_ai.client.operation.time_to_first_chunk')?.[0]?.sum).toBe(0.02);
    expect(found.get('vllm_latency_seconds')?.[0]?.value).toBe(1);
  });

  it('throughput is of the time since the last reading', async () => {
    const { metrics, clock, read } = measured();
    metrics.operation(call);
    clock.advance(1000);
    await read();
    for (let count = 0; count < 20; count++) metrics.operation(call);
    clock.advance(4000);
    expect((await read()).get('throughput_requests_per_second')?.[0]?.value).toBe(5);
  });

  it('C-71 D-42: are complete at every sampling rate', async () => {
    for (const rate of [1, 0.5, 0.1, 0.01, 0]) {
      const { metrics, read } = measured();
      const { recorder, spans } = recording({ sampler: new TelemetrySampler(rate) });
      for (let count = 0; count < 1_000; count++) {
        recorder.start(start)?.end();
        metrics.operation({ ...call, costUsd: 0.25 });
      }
      expect(spans).toHaveLength(1_000 * rate);
      expect((await read()).get('genops.cost')?.[0]?.value).toBe(250);
    }
  });

  it('governed providers that share a meter provider share their sums', async () => {
    const { provider, read } = metering();
    metricsOf(provider).operation(call);
    metricsOf(provider).operation(call);
    expect((await read()).get('genops_operations_total')?.[0]?.value).toBe(2);
    expect(metricsOf(undefined)).toBe(governanceMetrics);
  });

  it('teams and models without end do not make series without end', async () => {
    const { metrics, read } = measured();
    for (let team = 0; team < 3_000; team++) metrics.operation({ ...call, team: `team-${team}`, costUsd: 1 });
    const points = (await read()).get('genops.cost')!;
    expect(points).toHaveLength(1_001);
    expect(points.at(-1)).toEqual({
      labels: { team: 'other', provider: 'gpt2', model: 'other' },
      value: 2_000,
    });
  });

  it('C-105: instruments that throw are counted and nothing more', () => {
    const faults = new TelemetryFaults();
    const meterProvider = {
      getMeter: () => {
        throw new Error('no meter');
      },
    };
    const metrics = new GovernanceMetrics({ meterProvider, faults });
    metrics.operation(call);
    expect(faults.last).toEqual({ source: 'metric', message: 'no meter' });
  });
});
