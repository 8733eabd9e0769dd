// Benchmark 3: a remote endpoint's service times under 10, 50 and 100 workers, and sampling at four rates.
import { type GovernedProvider, govern } from '../../src/governance/governed-provider.js';
import type { Benchmark } from './benchmark.js';
import { distribution } from './distribution.js';
import type { Effort } from './effort.js';
import { residentBytes } from './heap.js';
import { type LoadResult, RemoteReplica, runLoad, SERVICE_MS } from './load.js';
import { judged, type Row } from './row.js';
import { countingSdk, everythingOn, warmUp } from './subject.js';

const WORKERS = [
  { id: 'A-17', workers: 10, perSecond: 11.8, meanMs: 847, p95Ms: 903, overheadPercent: 0.82 },
  { id: 'A-18', workers: 50, perSecond: 58.9, meanMs: 849, p95Ms: 912, overheadPercent: 0.85 },
  { id: 'A-19', workers: 100, perSecond: 115.3, meanMs: 867, p95Ms: 945, overheadPercent: 0.91 },
] as const;
const RATES = [
  { id: 'A-22', rate: 1, perSecond: 115.3, overheadPercent: 0.91 },
  { id: 'A-23', rate: 0.5, perSecond: 116.8, overheadPercent: 0.45 },
  { id: 'A-24', rate: 0.1, perSecond: 117.4, overheadPercent: 0.09 },
  { id: 'A-25', rate: 0.01, perSecond: 117.6, overheadPercent: 0.01 },
] as const;
const MOST_WORKERS = 100;
/** Waking more often than this, the process would measure how busy the machine is. */
const MOST_CALLS_PER_SECOND = 400;
/** Share of workers divided by service time that a load must reach. */
const LEAST_EFFICIENCY = 0.95;
const HEADLINE_PERCENT = 5;

interface GovernedLoad extends LoadResult {
  readonly spans: number;
  /** Recorded cost over that of the calls by the price list. */
  readonly costShare: number;
  readonly grownBytes: number;
}

export const throughput: Benchmark = {
  name: 'throughput',
  about: 'a simulated remote endpoint under load, and span sampling',
  async measure(effort) {
    const rows: Row[] = [];
    const rates: number[] = [];
    const sdk = countingSdk();
    await warmUp(everythingOn('enforced', sdk));
    await sdk.shutdown();
    for (const seeds of WORKERS) {
      const load = await governedLoad(seeds.workers, 1, effort);
      rates.push(load.requestsPerSecond);
      rows.push(...loadRows(seeds, load, effort));
    }
    for (const seeds of RATES)
      rows.push(...rateRows(seeds, await governedLoad(100, seeds.rate, effort), effort));
    return [...rows, ...linearity(rates), ...(await resources(effort))];
  },
};

function loadRows(
  { id, workers, perSecond, meanMs, p95Ms, overheadPercent }: (typeof WORKERS)[number],
  { calls, requestsPerSecond }: LoadResult,
  effort: Effort,
): Row[] {
  const scale = timeScaleOf(workers, effort);
  const reason =
    `${effort.requests} requests` +
    (scale === 1
      ? '.'
      : `; service times are waited for ${scale.toFixed(1)} times faster, so load is higher.`);
  const latency = distribution(calls.map(({ latencyMs }) => latencyMs));
  const name = (what: string) => `${workers} workers, ${what}`;
  const facts = { id, plane: 'R', reason } as const;
  return [
    judged({
      ...facts,
      name: name('rate'),
      seed: perSecond,
      ours: requestsPerSecond,
      unit: 'requests/s',
      target: { atLeast: LEAST_EFFICIENCY * idealRate(workers) },
    }),
    judged({
      ...facts,
      name: name('mean latency'),
      seed: meanMs,
      ours: latency.mean,
      unit: 'ms',
      target: { atMost: meanMs * 1.01 },
      reason: 'The simulated service itself takes 847.3 ms; the bound is 1 % above the published mean.',
    }),
    judged({
      ...facts,
      name: name('P95 latency'),
      seed: p95Ms,
      ours: latency.p95,
      unit: 'ms',
      target: { atMost: p95Ms * 1.01 },
    }),
    judged({
      ...facts,
      id: 'A-21',
      name: name('overhead'),
      seed: overheadPercent,
      ours: overheadPercentOf(calls),
      unit: '%',
      target: { atMost: overheadPercent },
      acceptable: { atMost: HEADLINE_PERCENT },
    }),
  ];
}

function rateRows(
  { id, rate, perSecond, overheadPercent }: (typeof RATES)[number],
  { calls, requestsPerSecond, spans, costShare }: GovernedLoad,
  { requests }: Effort,
): Row[] {
  const name = (what: string) => `sampling ${rate}, ${what}`;
  const facts = { id, plane: 'R' } as const;
  const overhead = {
    ...facts,
    seed: overheadPercent,
    ours: overheadPercentOf(calls),
    unit: '%',
    target: { atMost: overheadPercent },
    acceptable: { atMost: HEADLINE_PERCENT },
  };
  return [
    judged({
      ...facts,
      name: name('rate'),
      seed: perSecond,
      ours: requestsPerSecond,
      unit: 'requests/s',
      target: { atLeast: LEAST_EFFICIENCY * idealRate(MOST_WORKERS) },
    }),
    judged({ ...overhead, name: name('overhead') }),
    judged({
      ...facts,
      name: name(`spans of ${requests} calls`),
      seed: rate * requests,
      ours: spans,
      unit: 'spans',
      target: exactly(rate * requests),
    }),
    judged({
      ...facts,
      name: name('recorded cost over the price list'),
      seed: 1,
      ours: costShare,
      unit: '×',
      target: { between: [1 - 1e-12, 1 + 1e-12] },
    }),
    ...(rate <= 0.1 ? [sampledOverhead(rate, overheadPercentOf(calls))] : []),
  ];
}

/** Below 0.1 % is promised at a tenth; at a hundredth about 0.01 %, which is no bound. */
function sampledOverhead(rate: number, ours: number): Row {
  return judged({
    id: 'A-61',
    name: `sampling ${rate}, overhead`,
    plane: 'R',
    seed: rate,
    ours,
    unit: '%',
    target: rate === 0.1 ? { atMost: 0.1 } : undefined,
  });
}

function linearity(rates: readonly number[]): Row[] {
  return [
    { over: 50, seed: 4.99, ours: rates[1]! / rates[0]! },
    { over: 100, seed: 9.77, ours: rates[2]! / rates[0]! },
  ].map(({ over, seed, ours }) =>
    judged({
      id: 'A-20',
      name: `rate of ${over} workers over that of 10`,
      plane: 'R',
      seed,
      ours,
      unit: '×',
      target: { atLeast: (LEAST_EFFICIENCY * over) / 10 },
    }),
  );
}

/** Processor time, memory and drift of a load of a hundred workers, beside the same load without governance. */
async function resources(effort: Effort): Promise<Row[]> {
  const timeScale = timeScaleOf(MOST_WORKERS, effort);
  const bareReplica = new RemoteReplica(timeScale);
  const load = { requests: effort.requests, workers: MOST_WORKERS, timeScale };
  const bare = await runLoad(bareReplica, (request) => bareReplica.provider.chat(request), load);
  const governed = await governedLoad(MOST_WORKERS, 1, effort);
  const addedCpuMs = governed.cpuMsPerCall - bare.cpuMsPerCall;
  const tenth = Math.floor(effort.requests / 10);
  const latencies = (calls: LoadResult['calls']) => distribution(calls.map(({ latencyMs }) => latencyMs));
  const [first, last] = [latencies(governed.calls.slice(0, tenth)), latencies(governed.calls.slice(-tenth))];
  const percent = (ms: number) => (ms / SERVICE_MS) * 100;
  const noise = percent(Math.hypot(first.interval[1] - first.mean, last.interval[1] - last.mean));
  return [
    judged({
      id: 'A-26',
      name: 'processor time at 115.3 requests/s, over no governance',
      plane: 'R',
      seed: 0.5,
      ours: addedCpuMs * 0.1 * 115.3, // ms per call and calls per second, of one core's 1000 ms
      unit: 'points',
      target: { atMost: 0.5 },
      reason: 'Of one core; the published figure does not say of how many. From processor time per call.',
    }),
    judged({
      id: 'A-27',
      name: `resident memory after ${effort.requests} requests`,
      plane: 'R',
      seed: 3,
      ours: governed.grownBytes / 1e6,
      unit: 'MB',
      target: { atMost: 3 },
      reason: 'After garbage collection, the metrics and spans of the load exported; of the whole process.',
    }),
    judged({
      id: 'A-28',
      name: 'latency of the last tenth over the first',
      plane: 'R',
      seed: 0,
      ours: percent(last.mean - first.mean),
      unit: '%',
      target: { between: [-noise, noise] },
      reason: 'Equal within noise: the 95 % interval of the difference of two means.',
    }),
  ];
}

async function governedLoad(workers: number, samplingRate: number, effort: Effort): Promise<GovernedLoad> {
  const sdk = countingSdk();
  const timeScale = timeScaleOf(workers, effort);
  const replica = new RemoteReplica(timeScale);
  const governed = govern(replica.provider, { ...everythingOn('enforced', sdk), samplingRate });
  const load = { requests: effort.requests, workers, timeScale };
  const chat = (request: Parameters<GovernedProvider['chat']>[0]) => governed.chat(request);
  // Before memory and costs are looked at.
  await runLoad(replica, chat, { ...load, requests: workers });
  const spansBefore = await sdk.exported();
  const costBefore = governed.costSummary();
  const bytesBefore = await residentBytes();
  const result = await runLoad(replica, chat, load);
  const spans = (await sdk.exported()) - spansBefore;
  const grownBytes = (await residentBytes()) - bytesBefore;
  const share = costShare(governed, costBefore);
  await sdk.shutdown();
  return { ...result, spans, costShare: share, grownBytes };
}

function costShare(governed: GovernedProvider, before: ReturnType<GovernedProvider['costSummary']>): number {
  const after = governed.costSummary();
  const listed = governed.governance.pricing.actual({
    model: 'gpt2',
    usage: {
      promptTokens: after.totalInputTokens - before.totalInputTokens,
      completionTokens: after.totalOutputTokens - before.totalOutputTokens,
    },
  });
  return (after.totalCostUsd - before.totalCostUsd) / listed.totalUsd;
}

function overheadPercentOf(calls: LoadResult['calls']): number {
  return (distribution(calls.map(({ overheadMs }) => overheadMs)).mean / SERVICE_MS) * 100;
}

function timeScaleOf(workers: number, { timeScale }: Effort): number {
  return Math.max(1, Math.min(timeScale, MOST_CALLS_PER_SECOND / idealRate(workers)));
}

function idealRate(workers: number): number {
  return (workers / SERVICE_MS) * 1000;
}

function exactly(count: number) {
  return { between: [count, count] as const };
}
