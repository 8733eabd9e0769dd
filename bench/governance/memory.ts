// Benchmark 4: what governed calls leave in memory, what they allocate, and what a governed provider takes by itself.
import { context, INVALID_SPAN_CONTEXT, trace } from '@opentelemetry/api';
import { govern } from '../../src/governance/governed-provider.js';
import type { GovernOptions } from '../../src/governance/options.js';
import type { Provider } from '../../src/providers/provider.js';
import { trend } from '../statistics.js';
import type { Benchmark } from './benchmark.js';
import { allocatedBytes, retainedBytes } from './heap.js';
import { keepingNothing } from './keeping-nothing.js';
import { judged, type Row } from './row.js';
import { ADVISORY, countingSdk, everythingOn, instantStub, REQUEST } from './subject.js';

/** Megabytes after so many requests. */
const STAGES = [
  { id: 'A-30', requests: 100, growthMb: 3.3, kbPerRequest: 33 },
  { id: 'A-31', requests: 1000, growthMb: 7.6, kbPerRequest: 7.6 },
  { id: 'A-32', requests: 10_000, growthMb: 45.2, kbPerRequest: 4.5 },
] as const;
const BASELINE_MB = 38.2;
const ALLOCATED_KB = 7.1;
const PERSISTENT_KB = 38;
const PROVIDERS = 100;
/** Readings of the watch for a leak. */
const READINGS = 20;

export const memory: Benchmark = {
  name: 'memory',
  about: 'heap retained and allocated by governed calls',
  async measure({ watchedCalls, profiledCalls }) {
    const stages = await growth();
    return [...stages, ...(await allocation(profiledCalls)), await persistence(), await leak(watchedCalls)];
  },
};

async function growth(): Promise<Row[]> {
  const sdk = countingSdk();
  const governed = govern(instantStub(), everythingOn('enforced', sdk));
  const baseline = await retainedBytes();
  const rows = [
    judged({
      id: 'A-29',
      name: 'heap of the process before the first request',
      plane: 'G',
      seed: BASELINE_MB,
      ours: baseline / 1e6,
      unit: 'MB',
      target: { atMost: BASELINE_MB },
      reason: 'Of the process of this benchmark, its own code and OpenTelemetry included.',
    }),
  ];
  let made = 0;
  for (const { id, requests, growthMb, kbPerRequest } of STAGES) {
    await calls(governed, requests - made);
    made = requests;
    await sdk.exported();
    const grown = (await retainedBytes()) - baseline;
    const facts = { id, plane: 'G' } as const;
    rows.push(
      judged({
        ...facts,
        name: `growth after ${requests} requests`,
        seed: growthMb,
        ours: grown / 1e6,
        unit: 'MB',
        target: { atMost: growthMb },
      }),
      judged({
        ...facts,
        name: `growth after ${requests} requests, each`,
        seed: kbPerRequest,
        ours: grown / 1e3 / requests,
        unit: 'KB',
        target: { atMost: kbPerRequest },
      }),
    );
  }
  await sdk.shutdown();
  return rows;
}

/** What governance allocates per request: governed calls less bare ones. */
async function allocation(count: number): Promise<Row[]> {
  const sdk = countingSdk();
  const bare = await perCall(instantStub(), count);
  const kilobytes = async (options: GovernOptions) =>
    ((await perCall(govern(instantStub(), options), count)) - bare) / 1e3;
  const advisory = await kilobytes(ADVISORY);
  const dark = await kilobytes({ ...everythingOn('enforced', sdk), telemetryEnabled: false });
  const contexts = (await perContext(count)) / 1e3;
  const own = (await kilobytes(everythingOn('enforced', keepingNothing))) - contexts;
  const everything = await kilobytes(everythingOn('enforced', sdk));
  await sdk.shutdown();
  const { attributes, events } = sdk.lastSpan()!;
  const facts = { id: 'A-33', plane: 'G', seed: ALLOCATED_KB, unit: 'KB' } as const;
  const target = { atMost: ALLOCATED_KB };
  return [
    judged({ ...facts, target, name: 'allocated per request, advisory without tags', ours: advisory }),
    judged({ ...facts, target, name: 'allocated per request, everything on but telemetry', ours: dark }),
    judged({
      ...facts,
      target,
      name: 'allocated by governance per request, everything on',
      ours: own,
      reason: `With an SDK that keeps nothing, less ${contexts.toFixed(2)} KB for the context that OpenTelemetry's API makes.`,
    }),
    judged({
      ...facts,
      name: 'allocated by OpenTelemetry for it',
      seed: undefined,
      ours: everything - own,
      reason: 'Spans, their export and histograms: not code of ours, so nothing is promised of it.',
    }),
    judged({
      ...facts,
      target,
      name: 'allocated per request, everything on, both together',
      ours: everything,
      reason: `With the SDK: a span of ${Object.keys(attributes).length} attributes and ${events.length} events per request, and its values in histograms.`,
    }),
  ];
}

async function perCall(provider: Provider, count: number): Promise<number> {
  await calls(provider, count); // compiled code and caches are not its garbage
  return (await allocatedBytes(() => calls(provider, count))) / count;
}

/** What OpenTelemetry's API allocates to make a call's span the one in force. */
async function perContext(count: number): Promise<number> {
  const span = trace.wrapSpanContext(INVALID_SPAN_CONTEXT);
  const enter = async () => {
    for (let call = 0; call < count; call++) {
      context.with(trace.setSpan(context.active(), span), () => {});
    }
  };
  await enter();
  return (await allocatedBytes(enter)) / count;
}

async function persistence(): Promise<Row> {
  const options = everythingOn('enforced', countingSdk());
  const [provider, kept] = [instantStub(), [] as unknown[]];
  govern(provider, options); // the first brings what all share
  const before = await retainedBytes();
  for (let i = 0; i < PROVIDERS; i++) kept.push(govern(provider, options));
  const grown = (await retainedBytes()) - before;
  return judged({
    id: 'A-34',
    name: `a governed provider, mean of ${kept.length}`,
    plane: 'G',
    seed: PERSISTENT_KB,
    ours: grown / 1e3 / PROVIDERS,
    unit: 'KB',
    target: { atMost: PERSISTENT_KB },
  });
}

/** The trend of the retained heap over the calls, of which the first half settles. */
async function leak(watchedCalls: number): Promise<Row> {
  const sdk = countingSdk();
  const governed = govern(instantStub(), everythingOn('enforced', sdk));
  const perReading = Math.ceil(watchedCalls / READINGS);
  const retained: number[] = [];
  for (let reading = 0; reading < READINGS; reading++) {
    await calls(governed, perReading);
    await sdk.exported();
    retained.push(await retainedBytes());
  }
  await sdk.shutdown();
  const { slope, standardError } = trend(retained.slice(READINGS / 2));
  return judged({
    id: 'A-35',
    name: `retained per request over ${watchedCalls} requests, second half`,
    plane: 'G',
    seed: 0,
    ours: slope / perReading,
    unit: 'bytes',
    reason: `Published as about 0, without a bound. Standard error ${(standardError / perReading).toFixed(2)} bytes.`,
  });
}

async function calls(provider: Provider, count: number): Promise<void> {
  for (let call = 0; call < count; call++) await provider.chat(REQUEST);
}
