// The core's own expectations: its single operations, the cost of the three modes, and a stress loop.
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  Attribution,
  clearContext,
  runWithAttributes,
  setContext,
} from '../../src/governance/attribution.js';
import { systemClock } from '../../src/governance/clock.js';
import { govern } from '../../src/governance/governed-provider.js';
import { PolicyEngine } from '../../src/governance/policy.js';
import { SpanRecorder } from '../../src/governance/telemetry/spans.js';
import { TagValidator } from '../../src/governance/validation.js';
import type { Provider } from '../../src/providers/provider.js';
import type { Benchmark } from './benchmark.js';
import { distribution } from './distribution.js';
import { keepingNothing } from './keeping-nothing.js';
import { judged, type Row } from './row.js';
import {
  ADVISORY,
  countingSdk,
  EIGHT_ATTRIBUTES,
  everythingOn,
  instantStub,
  REQUEST,
  WIDE_ADMISSION,
} from './subject.js';
import { timeAsyncWork, timeInTurns } from './timing.js';

const BATCH = 10;
const GOOD_US = 100;
const ACCEPTABLE_US = 1000;
const AT_ONCE = 10;
const STRESS_PER_SECOND = { atLeast: 10_000 };
const STRESS_ACCEPTABLE = { atLeast: 1000 };
const OVER_BARE =
  'Processor time over that of the bare call; what of it is the OpenTelemetry SDK is in the rows below.';
const OWN = 'As above, with an SDK that keeps nothing of what it is told.';
/** Modes are held to an order up to the noise of a measurement. */
const NO_LESS = 0.95;

export const core: Benchmark = {
  name: 'core',
  about: 'single operations, the three modes, a stress loop',
  async measure({ samples, stressSeconds }) {
    return [...(await modes(samples)), ...(await operations(samples)), stress(stressSeconds)];
  },
};

async function modes(samples: number): Promise<Row[]> {
  const sdk = countingSdk();
  const bare = instantStub();
  const plain = govern(instantStub(), ADVISORY);
  const [advisory, enforced, strict] = (['advisory', 'enforced', 'strict'] as const).map((mode) =>
    govern(instantStub(), everythingOn(mode, sdk)),
  );
  const dark = govern(instantStub(), { ...everythingOn('enforced', sdk), telemetryEnabled: false });
  const [ownEnforced, ownStrict] = (['enforced', 'strict'] as const).map((mode) =>
    govern(instantStub(), everythingOn(mode, keepingNothing)),
  );
  const times = await timeInTurns(samples, BATCH, {
    bare: () => bare.chat(REQUEST),
    plain: () => plain.chat(REQUEST),
    dark: () => dark.chat(REQUEST),
    ownEnforced: () => ownEnforced!.chat(REQUEST),
    ownStrict: () => ownStrict!.chat(REQUEST),
    advisory: () => advisory!.chat(REQUEST),
    enforced: () => enforced!.chat(REQUEST),
    strict: () => strict!.chat(REQUEST),
  });
  // Ten calls and the turn of the event loop after them, in which histograms get their values and spans are exported.
  const tenCalls = async (provider: Provider) => {
    for (let call = 0; call < BATCH; call++) await provider.chat(REQUEST);
    await nextTurn();
  };
  const whole = await timeInTurns(samples, 1, {
    bare: () => tenCalls(bare),
    enforced: () => tenCalls(enforced!),
  });
  await sdk.shutdown();
  const afterwards = distribution(whole.enforced).mean - distribution(whole.bare).mean;
  const mean = (name: keyof typeof times) => distribution(times[name]).mean;
  const median = (name: keyof typeof times) => distribution(times[name]).median;
  const facts = { id: 'C-45', plane: 'G' } as const;
  const added = (name: keyof typeof times, label: string, atMost: number, reason = OVER_BARE) =>
    judged({
      ...facts,
      name: `added per call, ${label}`,
      ours: mean(name) - mean('bare'),
      unit: 'µs',
      target: { atMost },
      reason,
    });
  const order = (slower: keyof typeof times, faster: keyof typeof times, label: string) =>
    judged({
      ...facts,
      name: label,
      seed: 1,
      ours: median(slower) / median(faster),
      unit: '×',
      target: { atLeast: NO_LESS },
    });
  return [
    added('plain', 'advisory without tags', 10),
    added('dark', 'enforced with everything on but telemetry', 50),
    added('advisory', 'advisory with everything on', 50),
    added('enforced', 'enforced with everything on', 50),
    added('strict', 'strict with everything on', 50),
    added('ownEnforced', "of that, governance's own, enforced", 50, OWN),
    added('ownStrict', "of that, governance's own, strict", 50, OWN),
    judged({
      ...facts,
      name: 'added per call, enforced with everything on, and what is done after the call',
      ours: afterwards / BATCH,
      unit: 'µs',
      reason:
        'Processor time of ten calls and the turn of the event loop that ends them, which no call waits for.',
    }),
    order('enforced', 'advisory', 'enforced over advisory'),
    order('strict', 'enforced', 'strict over enforced'),
    order('advisory', 'plain', 'advisory with everything on over advisory without tags'),
  ];
}

async function operations(samples: number): Promise<Row[]> {
  const sdk = countingSdk();
  const provider = instantStub();
  const attribution = new Attribution();
  const attributes = attribution.resolve(EIGHT_ATTRIBUTES);
  const tags = new TagValidator();
  const recorder = new SpanRecorder({ clock: systemClock, tracerProvider: sdk.tracerProvider });
  const start = {
    operation: 'chat',
    provider: provider.name,
    kind: provider.kind,
    request: REQUEST,
    attributes,
  } as const;
  const policies = new PolicyEngine();
  for (const policy of everythingOn('enforced', sdk).policies ?? []) policies.register(policy);
  const governed = govern(provider, { ...ADVISORY, admission: WIDE_ADMISSION });
  const atOnce = () => Promise.all(Array.from({ length: AT_ONCE }, () => governed.chat(REQUEST)));
  const works: Readonly<Record<string, () => unknown>> = {
    baseline: () => provider.chat(REQUEST),
    attribution: () => attribution.resolve(EIGHT_ATTRIBUTES),
    validation: () => tags.validate({ ...attributes }),
    telemetry: () => recorder.start(start)?.end(),
    policy: () => policies.evaluate({ attributes, model: 'gpt2', costUsd: 1e-6, content: 'a harmless text' }),
  };
  const rows: Row[] = [];
  for (const [name, work] of Object.entries(works)) {
    rows.push(operation(name, distribution(await timeAsyncWork(samples, { batch: BATCH, work })).mean));
  }
  const together = distribution(await timeAsyncWork(samples, { batch: 1, work: atOnce }));
  rows.push(operation(`one of ${AT_ONCE} governed calls at once`, together.mean / AT_ONCE));
  await sdk.shutdown();
  return rows;
}

function operation(name: string, ours: number): Row {
  return judged({
    id: 'C-109',
    name: `${name}, mean`,
    plane: 'G',
    seed: GOOD_US,
    ours,
    unit: 'µs',
    target: { atMost: GOOD_US },
    acceptable: { atMost: ACCEPTABLE_US },
  });
}

function stress(seconds: number): Row {
  const attribution = new Attribution();
  const startedMs = performance.now();
  const endMs = startedMs + seconds * 1000;
  let loops = 0;
  // In a scope of its own, so that the contexts set here end with it.
  runWithAttributes({}, () => {
    while (performance.now() < endMs) {
      setContext({ team: 'search', requestId: `r${loops}` });
      attribution.resolve();
      clearContext();
      loops++;
    }
  });
  return judged({
    id: 'C-110',
    name: `set context, resolve, clear, for ${seconds} s`,
    plane: 'G',
    seed: STRESS_PER_SECOND.atLeast,
    ours: loops / ((performance.now() - startedMs) / 1000),
    unit: 'operations/s',
    target: STRESS_PER_SECOND,
    acceptable: STRESS_ACCEPTABLE,
  });
}
