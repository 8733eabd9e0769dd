// Together's figures for calls: times, rates, loads, isolation of errors.
import { TimeoutError } from '../../src/errors.js';
import { type GovernedProvider, govern } from '../../src/governance/governed-provider.js';
import { Instrumentor, providerInstrumentation } from '../../src/governance/instrument.js';
import type { GovernOptions } from '../../src/governance/options.js';
import { PricingCatalogue } from '../../src/governance/pricing/catalogue.js';
import { distribution, meanOf } from './distribution.js';
import type { Effort } from './effort.js';
import { judged, type Row } from './row.js';
import {
  countingSdk,
  EIGHT_ATTRIBUTES,
  everythingOn,
  instantStub,
  REQUEST,
  WIDE_ADMISSION,
  warmUp,
} from './subject.js';
import { timeInTurns, timeWork } from './timing.js';

const CALLS = 1000;
const BATCH = 10;

/** For high throughput: nothing but costs. */
const HIGH_THROUGHPUT: GovernOptions = {
  governancePolicy: 'advisory',
  enableCostAlerts: false,
  dailyBudgetLimit: 1000,
  admission: WIDE_ADMISSION,
};
/** For little memory: a mode that stops calls, and one tag. */
const MEMORY_OPTIMISED: GovernOptions = {
  governancePolicy: 'enforced',
  attributes: { feature: 'batch' },
  dailyBudgetLimit: 500,
  sessionResults: 0,
  admission: WIDE_ADMISSION,
};

/** Wall time of single calls, and what governance adds to them. */
export async function timesOfCalls({ samples }: Effort): Promise<Row[]> {
  const sdk = countingSdk();
  const options = everythingOn('enforced', sdk);
  await warmUp(options);
  const governed = govern(instantStub(), options);
  const times: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    const startedMs = performance.now();
    await governed.chat(REQUEST);
    times.push(performance.now() - startedMs);
  }
  const { mean, p95, p99 } = distribution(times);
  const bare = instantStub();
  const plain = govern(instantStub(), HIGH_THROUGHPUT);
  const tagged = govern(instantStub(), { ...HIGH_THROUGHPUT, attributes: EIGHT_ATTRIBUTES });
  const compared = await timeInTurns(samples, BATCH, {
    bare: () => bare.chat(REQUEST),
    everything: () => governed.chat(REQUEST),
    plain: () => plain.chat(REQUEST),
    tagged: () => tagged.chat(REQUEST),
    perCall: () => plain.chat(REQUEST, { attributes: EIGHT_ATTRIBUTES }),
  });
  await sdk.shutdown();
  const us = (name: keyof typeof compared) => distribution(compared[name]).mean;
  const time = (id: string, name: string, seed: number, ours: number) =>
    judged({ id, name, plane: 'G', seed, ours, unit: 'ms', target: { atMost: seed } });
  const more = (name: string, ours: number) =>
    judged({ id: 'T-23', name, plane: 'G', seed: 50, ours, unit: '%', target: { atMost: 50 } });
  return [
    time('T-01', 'local processing, mean, everything on', 100, mean),
    time('T-02', 'local processing, P95, everything on', 300, p95),
    time('T-03', 'local processing, P99, everything on', 500, p99),
    time(
      'T-04',
      'governance overhead per operation, everything on',
      10,
      (us('everything') - us('bare')) / 1000,
    ),
    time('T-04', 'governance overhead per operation, no tags', 10, (us('plain') - us('bare')) / 1000),
    more('time of eight attributes, given once', (us('tagged') / us('plain') - 1) * 100),
    more('time of eight attributes, given per call', (us('perCall') / us('plain') - 1) * 100),
    setUp(),
  ];
}

export async function rates({ samples }: Effort): Promise<Row[]> {
  const sdk = countingSdk();
  const full = () => govern(instantStub(), everythingOn('enforced', sdk));
  const rows = [
    atLeast('T-07', 'one call after the other', 50, await sequential(full(), CALLS)),
    atLeast('T-09', 'cost calculations', 1000, await calculations(samples)),
    atLeast('T-11', '20 workers, 50 calls each', 100, (await workers(full(), 20, 50)).perSecond),
    ...(await simultaneous(full)),
    atLeast('T-14', 'a batch of 1 000 at once', 200, (await workers(full(), 1000, 1)).perSecond),
    ...(await poisoned()),
    ...(await rapidFire(full())),
    atLeast('T-25', '25 sessions of 4 calls', 25, await manySessions(full())),
    ...(await loadTest(full(), 500, 10)),
    ...(await loadTest(full(), 1000, 20)),
    ...(await useCases(sdk)),
    ...(await recommended(samples)),
  ];
  await sdk.shutdown();
  return rows;
}

function atLeast(id: string, name: string, seed: number, ours: number): Row {
  return judged({ id, name, plane: 'G', seed, ours, unit: 'operations/s', target: { atLeast: seed } });
}

async function sequential(governed: GovernedProvider, calls: number): Promise<number> {
  const startedMs = performance.now();
  for (let call = 0; call < calls; call++) await governed.chat(REQUEST);
  return calls / ((performance.now() - startedMs) / 1000);
}

interface Worked {
  readonly perSecond: number;
  readonly seconds: number;
  readonly meanMs: number;
  readonly failures: number;
}

async function workers(governed: GovernedProvider, count: number, each: number): Promise<Worked> {
  const times: number[] = [];
  let failures = 0;
  const work = async (): Promise<void> => {
    for (let call = 0; call < each; call++) {
      const startedMs = performance.now();
      await governed.chat(REQUEST).catch(() => failures++);
      times.push(performance.now() - startedMs);
    }
  };
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: count }, work));
  const seconds = (performance.now() - startedMs) / 1000;
  return { perSecond: times.length / seconds, seconds, meanMs: meanOf(times), failures };
}

async function calculations(samples: number): Promise<number> {
  const pricing = new PricingCatalogue();
  const models = ['distilgpt2', 'gpt2', 'gpt2-xl'];
  const usage = { promptTokens: 100, completionTokens: 50 };
  const work = (i: number) => pricing.actual({ model: models[i % models.length]!, usage });
  return 1e6 / distribution(await timeWork(samples, { batch: CALLS, work })).mean;
}

/** Calls that are under way together: all end, and their costs add up. */
async function simultaneous(full: () => GovernedProvider): Promise<Row[]> {
  const rows: Row[] = [];
  for (const count of [50, 200]) {
    const governed = full();
    const { failures } = await workers(governed, count, 1);
    const { totalCostUsd, totalOperations, totalInputTokens, totalOutputTokens } = governed.costSummary();
    const usage = { promptTokens: totalInputTokens, completionTokens: totalOutputTokens };
    const listed = governed.governance.pricing.actual({ model: 'gpt2', usage }).totalUsd;
    const facts = { id: 'T-12', plane: 'G' } as const;
    rows.push(
      judged({
        ...facts,
        name: `completed of ${count} at once`,
        seed: count,
        ours: totalOperations - failures,
        unit: 'calls',
        target: { between: [count, count] },
      }),
      judged({
        ...facts,
        name: `recorded cost of ${count} at once over the price list`,
        seed: 1,
        ours: totalCostUsd / listed,
        unit: '×',
        target: { between: [1 - 1e-12, 1 + 1e-12] },
      }),
    );
  }
  return rows;
}

/** Every tenth call fails for good; the others must not notice. */
async function poisoned(): Promise<Row[]> {
  const fault = (call: number) =>
    call % 10 === 0 ? new TimeoutError('INHOUSE_TIMEOUT', 'Poison.') : undefined;
  const governed = govern(instantStub({ fault }), { ...HIGH_THROUGHPUT, enableRetry: false });
  const { failures } = await workers(governed, CALLS, 1);
  return [
    judged({
      id: 'T-16',
      name: `failed of ${CALLS} at once, a tenth of them poisoned`,
      plane: 'G',
      seed: CALLS / 10,
      ours: failures,
      unit: 'calls',
      target: { between: [CALLS / 10, CALLS / 10] },
    }),
  ];
}

async function rapidFire(governed: GovernedProvider): Promise<Row[]> {
  const calls = 200;
  const { seconds, failures } = await workers(governed, calls, 1);
  const facts = { id: 'T-24', plane: 'G' } as const;
  return [
    judged({
      ...facts,
      name: `success of ${calls} calls in rapid fire`,
      seed: 90,
      ours: (1 - failures / calls) * 100,
      unit: '%',
      target: { atLeast: 90 },
    }),
    judged({
      ...facts,
      name: `time of ${calls} calls in rapid fire`,
      seed: 30,
      ours: seconds,
      unit: 's',
      target: { atMost: 30 },
    }),
  ];
}

async function manySessions(governed: GovernedProvider): Promise<number> {
  const [sessions, each] = [25, 4];
  const startedMs = performance.now();
  await Promise.all(
    Array.from({ length: sessions }, () =>
      governed.trackSession({}, async ({ sessionId }) => {
        for (let call = 0; call < each; call++) await governed.chat(REQUEST, { sessionId });
      }),
    ),
  );
  return (sessions * each) / ((performance.now() - startedMs) / 1000);
}

/** The six fields of the document: only the rate has a target, of the concurrent rate. */
async function loadTest(governed: GovernedProvider, calls: number, count: number): Promise<Row[]> {
  const { perSecond, seconds, meanMs, failures } = await workers(governed, count, calls / count);
  const { totalCostUsd, avgCostPerOperationUsd } = governed.costSummary();
  const name = (what: string) => `load test ${calls}/${count}, ${what}`;
  const reason =
    `${calls - failures} calls in ${seconds.toFixed(2)} s, ${meanMs.toFixed(2)} ms each on average, ` +
    `${totalCostUsd.toPrecision(3)} USD, ${avgCostPerOperationUsd.toPrecision(3)} USD per call.`;
  return [{ ...atLeast('T-28', name('rate'), 100, perSecond), reason }];
}

async function useCases(sdk: Parameters<typeof everythingOn>[1]): Promise<Row[]> {
  const cases: readonly (readonly [string, number, GovernOptions])[] = [
    ['throughput', 100, HIGH_THROUGHPUT],
    ['cost', 50, { ...HIGH_THROUGHPUT, governancePolicy: 'enforced', attributes: EIGHT_ATTRIBUTES }],
    ['quality', 10, everythingOn('strict', sdk)],
    ['code', 25, everythingOn('enforced', sdk)],
  ];
  const rows: Row[] = [];
  for (const [name, seed, options] of cases) {
    const governed = govern(instantStub(), options);
    rows.push(atLeast('T-29', `profile ${name}`, seed, await sequential(governed, CALLS)));
  }
  return rows;
}

/** The two recommended configurations: the one for throughput is the faster one. */
async function recommended(samples: number): Promise<Row[]> {
  const fast = govern(instantStub(), HIGH_THROUGHPUT);
  const small = govern(instantStub(), MEMORY_OPTIMISED);
  const times = await timeInTurns(samples, BATCH, {
    fast: () => fast.chat(REQUEST),
    small: () => small.chat(REQUEST),
  });
  return [
    judged({
      id: 'T-30',
      name: 'time of the memory-optimised configuration over that for throughput',
      plane: 'G',
      seed: 1,
      ours: distribution(times.small).median / distribution(times.fast).median,
      unit: '×',
      target: { atLeast: 0.95 },
      reason: 'Equal up to noise is fast enough.',
    }),
  ];
}

function setUp(): Row {
  const instrumentor = new Instrumentor();
  const startedMs = performance.now();
  instrumentor.register(providerInstrumentation(instantStub(), (original) => govern(original)));
  instrumentor.init();
  const seconds = (performance.now() - startedMs) / 1000;
  instrumentor.uninstrument();
  return judged({
    id: 'T-37',
    name: 'auto-instrumentation, set-up',
    plane: 'G',
    seed: 1,
    ours: seconds,
    unit: 's',
    target: { atMost: 1 },
  });
}
