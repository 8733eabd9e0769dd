// Benchmark 1: what governance adds to a remote call of 847.3 ms, what that consists of, and whether exporting holds
// the caller up.
import { Attribution } from '../../src/governance/attribution.js';
import { systemClock } from '../../src/governance/clock.js';
import { type GovernedProvider, govern } from '../../src/governance/governed-provider.js';
import { PricingCatalogue } from '../../src/governance/pricing/catalogue.js';
import { SpanRecorder } from '../../src/governance/telemetry/spans.js';
import { TagValidator } from '../../src/governance/validation.js';
import type { Benchmark } from './benchmark.js';
import { distribution } from './distribution.js';
import { RemoteReplica, runLoad } from './load.js';
import { judged, type Row } from './row.js';
import {
  type Counting,
  countingSdk,
  EIGHT_ATTRIBUTES,
  everythingOn,
  instantStub,
  REQUEST,
  warmUp,
} from './subject.js';
import { timeInTurns, timeWork } from './timing.js';

const WORKERS = 50;
const HEADLINE_PERCENT = 5;
const PUBLISHED = [
  { id: 'A-01', statistic: 'mean', percent: 0.8 },
  { id: 'A-02', statistic: 'median', percent: 0.89 },
  { id: 'A-02', statistic: 'p95', percent: 0.95 },
  { id: 'A-02', statistic: 'p99', percent: 1.01 },
] as const;
/** Milliseconds. */
const BREAKDOWN = { span: 0.5, attributes: 1.2, cost: 0.8, tokens: 0.3, export: 4 };
const BATCH = 10;
const SLOW_EXPORT_MS = 200;
/** Milliseconds; below what two measurements of the same differ by. */
const NO_DIFFERENCE = 0.05;

export const telemetryOverhead: Benchmark = {
  name: 'telemetry_overhead',
  about: 'what governance adds to a remote call, and where it goes',
  async measure({ samples, pairs }) {
    return [...(await overhead(pairs)), ...(await breakdown(samples)), await slowExport(samples)];
  },
};

/** Both loads run at once, in real time and with the same service times, so that they share the machine's noise. */
async function overhead(requests: number): Promise<Row[]> {
  const sdk = countingSdk();
  const load = { workers: WORKERS, requests, timeScale: 1 };
  const [bareReplica, replica] = [new RemoteReplica(1), new RemoteReplica(1)];
  const options = everythingOn('enforced', sdk);
  await warmUp(options);
  const governed = govern(replica.provider, options);
  const [bare, with_] = await Promise.all([
    runLoad(bareReplica, (request) => bareReplica.provider.chat(request), load),
    runLoad(replica, (request) => governed.chat(request), load),
  ]);
  await sdk.shutdown();
  const baseline = distribution(bare.calls.map(({ latencyMs }) => latencyMs));
  const measured = distribution(with_.calls.map(({ latencyMs }) => latencyMs));
  return PUBLISHED.map(({ id, statistic, percent }) =>
    judged({
      id,
      name: `overhead of everything on, ${statistic}`,
      plane: 'R',
      seed: percent,
      ours: ((measured[statistic] - baseline[statistic]) / baseline[statistic]) * 100,
      unit: '%',
      target: { atMost: percent },
      acceptable: { atMost: HEADLINE_PERCENT },
      reason: `${measured[statistic].toFixed(1)} ms instead of ${baseline[statistic].toFixed(1)}, ${requests} calls each.`,
    }),
  );
}

async function breakdown(samples: number): Promise<Row[]> {
  const sdk = countingSdk();
  const attribution = new Attribution();
  const tags = new TagValidator();
  const pricing = new PricingCatalogue();
  const provider = instantStub();
  const attributes = attribution.resolve(EIGHT_ATTRIBUTES);
  const answer = await provider.chat(REQUEST);
  const recorder = new SpanRecorder({ clock: systemClock, tracerProvider: sdk.tracerProvider });
  const start = {
    operation: 'chat',
    provider: provider.name,
    kind: provider.kind,
    request: REQUEST,
    attributes,
  } as const;
  const { usage } = answer;
  const steps = {
    span: () => recorder.start(start)?.end(),
    attributes: () => tags.validate(attribution.resolve(EIGHT_ATTRIBUTES)),
    cost: () => [
      pricing.estimate({ model: 'gpt2', promptTokens: usage.promptTokens, maxTokens: 50 }),
      pricing.actual({ model: 'gpt2', usage }),
    ],
    tokens: () => provider.countTokens(REQUEST),
  };
  const rows: Row[] = [];
  for (const [step, work] of Object.entries(steps) as [keyof typeof steps, () => unknown][]) {
    rows.push(part(step, distribution(await timeWork(samples, { batch: BATCH, work })).mean / 1000));
    await sdk.exported(); // or the queue grows
  }
  rows.push(...(await exportCost(sdk, recorder, start)));
  await sdk.shutdown();
  return rows;
}

function part(step: keyof typeof BREAKDOWN, ours: number, detail = '', reason?: string): Row {
  return judged({
    id: 'A-04',
    name: `share of ${step}${detail}`,
    plane: 'G',
    seed: BREAKDOWN[step],
    ours,
    unit: 'ms',
    target: { atMost: BREAKDOWN[step] },
    reason,
  });
}

/** Spans are handed to a queue while the caller waits, and exported later: both shares, per span. */
async function exportCost(
  sdk: Counting,
  recorder: SpanRecorder,
  start: Parameters<SpanRecorder['start']>[0],
): Promise<Row[]> {
  const spans = 2000;
  const open = Array.from({ length: spans }, () => recorder.start(start)!);
  const startedMs = performance.now();
  for (const span of open) span.end();
  const handedMs = performance.now();
  await sdk.exported();
  const exportedMs = performance.now();
  return [
    part(
      'export',
      (handedMs - startedMs) / spans,
      ', while the caller waits',
      'The end of the span included.',
    ),
    part('export', (exportedMs - handedMs) / spans, ', later', 'To an exporter that only counts.'),
  ];
}

async function slowExport(samples: number): Promise<Row> {
  const sdks = { quick: countingSdk(), slow: countingSdk(SLOW_EXPORT_MS) };
  const call = (governed: GovernedProvider) => () => governed.chat(REQUEST);
  const works = {
    quick: call(govern(instantStub(), everythingOn('enforced', sdks.quick))),
    slow: call(govern(instantStub(), everythingOn('enforced', sdks.slow))),
  };
  const times = await timeInTurns(samples, BATCH, works, 'wall');
  // The slow exporter's queue is left: exporting it would take minutes, and nothing waits for it.
  await sdks.quick.shutdown();
  const addedUs = distribution(times.slow).median - distribution(times.quick).median;
  return judged({
    id: 'A-05',
    name: `latency added by an exporter that takes ${SLOW_EXPORT_MS} ms per batch`,
    plane: 'G',
    seed: 0,
    ours: addedUs / 1000,
    unit: 'ms',
    target: { atMost: NO_DIFFERENCE },
    reason: 'Of medians; the bound is what two measurements of the same differ by.',
  });
}
