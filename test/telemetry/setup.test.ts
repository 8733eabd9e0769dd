import { context, metrics, trace } from '@opentelemetry/api';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { InvalidInputError } from '#inhouse/errors.js';
import type { CallMeasurement } from '#inhouse/governance/telemetry/distributions.js';
import { GovernanceMetrics } from '#inhouse/governance/telemetry/metrics.js';
import { SpanRecorder } from '#inhouse/governance/telemetry/spans.js';
import {
  setupTelemetry,
  type Telemetry,
  TelemetryFaults,
  type TelemetryOptions,
} from '#inhouse/telemetry.js';
import { completion, start, succeed } from '../governance/telemetry/support.js';
import { type Collector, collector, freePort } from '../support/collector.js';
import { metering } from '../support/metering.js';
import { tracing } from '../support/tracing.js';

const open: { close(): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  trace.disable();
  metrics.disable();
  context.disable();
});

async function setUp(options: TelemetryOptions): Promise<Telemetry & { readonly faults: TelemetryFaults }> {
  const faults = new TelemetryFaults();
  const telemetry = await setupTelemetry({ faults, exportTimeoutMs: 500, ...options });
  open.push({ close: () => telemetry.shutdown() });
  return { ...telemetry, faults };
}

async function collecting(behaviour: Parameters<typeof collector>[0] = 'accept'): Promise<Collector> {
  const it = await collector(behaviour);
  open.push(it);
  return it;
}

const measurement: CallMeasurement = {
  operation: 'complete',
  provider: 'gpt2',
  model: 'gpt2',
  kind: 'local',
  team: 'search',
  durationMs: 70,
  timings: completion.timings,
  usage: completion.usage,
  costUsd: 2e-7,
};

function governedCall(): void {
  const span = new SpanRecorder().start(start);
  if (span !== undefined) succeed(span);
  span?.end();
}

describe('setupTelemetry', () => {
  it('C-104: spans and metrics arrive at a collector over HTTP, with resource and headers', async () => {
    const { url, received } = await collecting();
    vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'service.version=2,host.name=here');
    const telemetry = await setUp({
      exporters: ['otlp'],
      otlpEndpoint: `${url}/`,
      otlpHeaders: { 'x-tenant': 'acme' },
      serviceName: 'desk',
      environment: 'staging',
    });
    expect(telemetry).toMatchObject({ tracing: 'own', metering: 'own', prometheusUrl: undefined });
    governedCall();
    new GovernanceMetrics().operation(measurement);
    await telemetry.flush();

    const traces = received.find(({ path }) => path === '/v1/traces')!;
    expect(traces.headers['x-tenant']).toBe('acme');
    const { resource, scopeSpans } = JSON.parse(traces.body).resourceSpans[0];
    expect(resource.attributes).toEqual(
      expect.arrayContaining([
        { key: 'service.name', value: { stringValue: 'desk' } },
        { key: 'service.version', value: { stringValue: '2' } },
        { key: 'deployment.environment', value: { stringValue: 'staging' } },
        { key: 'host.name', value: { stringValue: 'here' } },
      ]),
    );
    expect(scopeSpans[0].spans[0].name).toBe('gpt2.completion.create');
    const sent = received.find(({ path }) => path === '/v1/metrics')!;
    expect(sent.body).toContain('"genops.cost"');
    expect(sent.body).toContain('genops_memory_usage_bytes');
    expect(telemetry.faults.count).toBe(0);
  });

  it('C-104: the console exporter writes spans and metrics', async () => {
    const lines = vi.spyOn(console, 'dir').mockImplementation(() => {});
    const telemetry = await setUp({ asyncExport: false });
    governedCall();
    new GovernanceMetrics().operation(measurement);
    await telemetry.flush();
    const written = JSON.stringify(lines.mock.calls);
    expect(written).toContain('gpt2.completion.create');
    expect(written).toContain('genops_operations_total');
  });

  it('C-20: Prometheus reads a valid exposition at the host, port and path asked for', async () => {
    const port = await freePort();
    const telemetry = await setUp({ exporters: ['prometheus'], prometheus: { port, path: '/genops' } });
    expect(telemetry).toMatchObject({
      tracing: 'none',
      metering: 'own',
      prometheusUrl: `http://127.0.0.1:${port}/genops`,
    });
    new GovernanceMetrics().operation(measurement);
    const samples = parse(await (await fetch(telemetry.prometheusUrl!)).text());
    expect(samples.get('genops_operations_total')).toMatchObject([
      { type: 'counter', labels: { provider: 'gpt2', team: 'search' }, value: 1 },
    ]);
    expect(samples.get('gpt2_cost_usd')).toMatchObject([{ type: 'gauge', value: 2e-7 }]);
    const buckets = samples.get('inference_latency_seconds_bucket')!;
    expect(buckets.map(({ labels }) => labels.le)).toEqual([
      '0.01',
      '0.05',
      '0.1',
      '0.25',
      '0.5',
      '1',
      '2.5',
      '5',
      '10',
      '+Inf',
    ]);
    expect(buckets.map(({ value }) => value)).toEqual([0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    expect((await fetch(`http://127.0.0.1:${port}/other`)).status).toBe(404);
  });

  it('C-19: each GPU has its metrics, of what it tells', async () => {
    const gpu = { name: 'GPU', totalBytes: 80e9, usedBytes: 20e9 };
    const telemetry = await setUp({
      exporters: ['prometheus'],
      prometheus: { port: await freePort() },
      gpus: async () => [{ ...gpu, utilisationPercent: 75, temperatureCelsius: 50 }, gpu],
    });
    const samples = parse(await (await fetch(telemetry.prometheusUrl!)).text());
    const values = (name: string) => samples.get(name)!.map(({ labels, value }) => [labels.gpu_id, value]);
    expect(values('gpu_memory_used_bytes')).toEqual([
      ['0', 20e9],
      ['1', 20e9],
    ]);
    expect(values('gpu_memory_available_bytes')).toEqual([
      ['0', 60e9],
      ['1', 60e9],
    ]);
    expect(values('gpu_utilization_percent')).toEqual([['0', 75]]);
    expect(values('gpu_temperature_celsius')).toEqual([['0', 50]]);
  });

  it('C-20: a port that is taken is refused by name', async () => {
    const { url } = await collecting();
    const port = Number(new URL(url).port);
    const refused = setupTelemetry({ exporters: ['prometheus'], prometheus: { port } });
    await expect(refused).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`);
    await expect(refused).rejects.toBeInstanceOf(InvalidInputError);
  });

  it('a set-up that fails leaves nothing behind: the next one is as the first', async () => {
    const { url } = await collecting();
    const taken = Number(new URL(url).port);
    const options = { exporters: ['console', 'prometheus'] } as const;
    vi.spyOn(console, 'dir').mockImplementation(() => {});
    await expect(setUp({ ...options, prometheus: { port: taken } })).rejects.toThrow('cannot listen');
    const telemetry = await setUp({ ...options, prometheus: { port: await freePort() } });
    expect(telemetry).toMatchObject({ tracing: 'own', metering: 'own' });
    expect((await fetch(telemetry.prometheusUrl!)).status).toBe(200);
  });

  it('a set-up whose last part fails gives the port back', async () => {
    const prometheus = { port: await freePort() };
    const { url } = await collecting();
    const options = {
      exporters: ['otlp', 'prometheus'],
      otlpEndpoint: url,
      prometheus,
      logLevel: 'info',
    } as const;
    const broken = vi.spyOn(LoggerProvider.prototype, 'getLogger').mockImplementation(() => {
      throw new Error('no logs here');
    });
    await expect(setUp(options)).rejects.toThrow('no logs here');
    broken.mockRestore();
    const telemetry = await setUp(options);
    expect(telemetry).toMatchObject({ tracing: 'own', metering: 'own' });
    expect((await fetch(telemetry.prometheusUrl!)).status).toBe(200);
  });

  it('C-106: every panel of the dashboards finds its series', async () => {
    const telemetry = await setUp({ exporters: ['prometheus'], prometheus: { port: await freePort() } });
    const governance = new GovernanceMetrics();
    governance.operation(measurement);
    governance.operation({ ...measurement, error: new Error('failed') });
    governance.policyViolation('spend');
    const samples = parse(await (await fetch(telemetry.prometheusUrl!)).text());
    const panels: Record<string, readonly string[]> = {
      genops_ai_cost_total: ['team', 'provider', 'model'],
      genops_ai_tokens_total: ['model', 'direction'],
      genops_policy_violations_total: ['policy_name'],
      genops_operations_total: ['provider', 'team'],
      genops_operation_errors_total: ['provider', 'team'],
      genops_operation_latency_seconds_bucket: ['provider', 'operation_type'],
      genops_memory_usage_bytes: [],
    };
    for (const [name, labels] of Object.entries(panels)) {
      const series = samples.get(name)?.[0];
      expect([name, Number(series?.value) >= 0]).toEqual([name, true]);
      expect(Object.keys(series!.labels)).toEqual(expect.arrayContaining([...labels]));
    }
    expect(samples.get('genops_memory_usage_bytes')![0]!.value).toBeGreaterThan(1e6);
  });

  it.each([
    ['is not there', async () => `http://127.0.0.1:${await freePort()}`],
    ['never answers', async () => (await collecting('hang')).url],
    ['refuses', async () => (await collecting(400)).url],
  ])('C-105: a collector that %s fails no call and is counted', async (_, endpoint) => {
    const telemetry = await setUp({ exporters: ['otlp'], otlpEndpoint: await endpoint() });
    governedCall();
    new GovernanceMetrics().operation(measurement);
    await telemetry.flush();
    expect(telemetry.faults.count).toBeGreaterThanOrEqual(1);
    expect(telemetry.faults.last?.source).toBe('export');
  });

  it('providers that the program has registered are left alone', async () => {
    const [mine, meters] = [tracing(), metering()];
    trace.setGlobalTracerProvider(mine.provider);
    metrics.setGlobalMeterProvider(meters.provider);
    const telemetry = await setUp({ exporters: ['console'] });
    expect(telemetry).toMatchObject({ tracing: 'existing', metering: 'existing' });
    governedCall();
    await telemetry.shutdown();
    governedCall();
    expect(mine.spans).toHaveLength(2);
  });

  it('spans are recorded from the set-up on, however early the recorder was made', async () => {
    const recorder = new SpanRecorder();
    expect(recorder.start(start)).toBeUndefined();
    const mine = tracing();
    trace.setGlobalTracerProvider(mine.provider);
    recorder.start(start)!.end();
    expect(mine.spans).toHaveLength(1);
  });

  it('metrics are complete from the first call on, however late the set-up', async () => {
    const governance = new GovernanceMetrics();
    governance.operation(measurement);
    const meters = metering();
    metrics.setGlobalMeterProvider(meters.provider);
    governance.operation(measurement);
    expect((await meters.read()).get('genops_operations_total')?.[0]?.value).toBe(2);
  });

  it('options and variables that make no sense are refused', async () => {
    await expect(setupTelemetry({ exporters: ['jaeger' as never] })).rejects.toThrow(/exporters/);
    await expect(setupTelemetry({ batch: 1 } as never)).rejects.toThrow(/unknown option "batch"/);
    vi.stubEnv('GENOPS_BATCH_SIZE', 'many');
    await expect(setupTelemetry()).rejects.toThrow('GENOPS_BATCH_SIZE is "many"');
  });
});

interface Sample {
  readonly type: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads the text exposition format; throws at a line that is not of it. */
function parse(text: string): Map<string, Sample[]> {
  const types = new Map<string, string>();
  const samples = new Map<string, Sample[]>();
  for (const line of text.split('\n').filter(Boolean)) {
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line);
    if (type) types.set(type[1]!, type[2]!);
    if (line.startsWith('#')) continue;
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (!sample || Number.isNaN(Number(sample[3]))) throw new Error(`Not a sample: ${line}`);
    const [, name = '', pairs = '', value] = sample;
    const labels = Object.fromEntries(
      [...pairs.matchAll(/([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/g)].map(([, key, text]) => [key, text]),
    );
    const family = types.get(name) ?? types.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (family === undefined) throw new Error(`No type for ${name}`);
    samples.set(name, [...(samples.get(name) ?? []), { type: family, labels, value: Number(value) }]);
  }
  return samples;
}
