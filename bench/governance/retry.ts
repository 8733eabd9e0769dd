// Benchmark 7: whether retries wait as long as they should, what failures cost, and what retry costs where nothing fails.
import { TimeoutError } from '../../src/errors.js';
import { govern } from '../../src/governance/governed-provider.js';
import { retryAfter, retryPolicy } from '../../src/governance/retry.js';
import { failFirst, failSometimes } from '../../src/providers/stub-plans.js';
import { median } from '../statistics.js';
import type { Benchmark } from './benchmark.js';
import { type Expected, expectedRetries } from './closed-form.js';
import { distribution } from './distribution.js';
import { judged, type Row } from './row.js';
import { ADVISORY, instantStub, REQUEST, SEED, WIDE_ADMISSION } from './subject.js';
import { timeInTurns } from './timing.js';

const WAITS_MS = [1000, 2000, 4000];
const SEED_WAITS_MS = [1002, 2001, 4003];
const REPEATS = 20;
const DEVIATION = 0.002;
const SCRIPT_DEVIATION = 0.01;

const PUBLISHED = [
  { id: 'A-50', percent: 10, attempts: 1.12, success: 99.8, waitMs: 120 },
  { id: 'A-51', percent: 25, attempts: 1.28, success: 99.5, waitMs: 340 },
  { id: 'A-52', percent: 50, attempts: 1.67, success: 98.9, waitMs: 1420 },
] as const;

const BATCH = 200;
const LOOP_COST_US = 0.05;

export const retryBenchmark: Benchmark = {
  name: 'retry',
  about: 'waits between attempts, transient failures, and the cost of success',
  async measure({ samples, faultyCalls }) {
    const rows = await waits();
    for (const published of PUBLISHED) rows.push(...(await failures(published, faultyCalls)));
    return [...rows, await successCost('A-53', samples)];
  },
};

/** What being ready to retry adds to a call that succeeds, the way the pipeline does it. */
export async function successCost(id: string, samples: number): Promise<Row> {
  const done = Promise.resolve(1);
  const attempt = () => done;
  const run = { policy: retryPolicy() };
  const without = async () => await attempt();
  const ready = async () => {
    try {
      return await attempt();
    } catch (error) {
      return retryAfter(error, attempt, run);
    }
  };
  const times = await timeInTurns(samples, BATCH, { with: ready, without });
  return judged({
    id,
    name: 'retry around a call that succeeds',
    plane: 'G',
    seed: LOOP_COST_US,
    ours: distribution(times.with).median - distribution(times.without).median,
    unit: 'µs',
    target: { atMost: LOOP_COST_US },
  });
}

async function waits(): Promise<Row[]> {
  return (await waitsBeforeAttempts()).map(({ expectedMs, medianMs }, i) =>
    judged({
      id: 'A-49',
      name: `wait before attempt ${i + 2}, median of ${REPEATS}`,
      plane: 'R',
      seed: SEED_WAITS_MS[i],
      ours: medianMs,
      unit: 'ms',
      target: around(expectedMs, expectedMs * DEVIATION),
      acceptable: around(expectedMs, expectedMs * SCRIPT_DEVIATION),
    }),
  );
}

/** Of calls that fail three times; real timers, and all calls wait at the same time, as those of a process do. */
export async function waitsBeforeAttempts(): Promise<{ expectedMs: number; medianMs: number }[]> {
  await govern(instantStub(), ADVISORY).chat(REQUEST); // what the first call of a process takes is no wait
  const waited: number[][] = WAITS_MS.map(() => []);
  await Promise.all(Array.from({ length: REPEATS }, async () => recordWaits(waited)));
  return WAITS_MS.map((expectedMs, i) => ({ expectedMs, medianMs: median(waited[i]!) }));
}

async function recordWaits(waited: number[][]): Promise<void> {
  const fault = failFirst(WAITS_MS.length, transient);
  let last: number | undefined;
  const provider = instantStub({
    fault: (call) => {
      const now = performance.now();
      if (last !== undefined) waited[call - 1]!.push(now - last);
      last = now;
      return fault(call);
    },
  });
  await govern(provider, ADVISORY).chat(REQUEST);
}

/** Independent faults by a seed, on a clock that only counts: exact in everything but chance. */
async function failures(
  { id, percent, attempts, success, waitMs }: (typeof PUBLISHED)[number],
  calls: number,
): Promise<Row[]> {
  let tried = 0;
  let succeeded = 0;
  let waitedMs = 0;
  const injected = failSometimes(percent / 100, SEED + percent, transient);
  const provider = instantStub({
    fault: (call) => {
      tried++;
      return injected(call);
    },
  });
  const governed = govern(provider, {
    ...ADVISORY,
    admission: WIDE_ADMISSION,
    sleep: async (ms) => {
      waitedMs += ms;
    },
  });
  for (let call = 0; call < calls; call++) {
    await governed.chat(REQUEST).then(
      () => succeeded++,
      () => {},
    );
  }
  const expected = expectedRetries(percent / 100, WAITS_MS, calls);
  const facts = { id, plane: 'R', reason: `Target: 3σ around the closed form of ${calls} calls.` } as const;
  const name = (what: string) => `${percent} % transient failures, ${what}`;
  return [
    judged({
      ...facts,
      name: name('attempts'),
      seed: attempts,
      ours: tried / calls,
      unit: 'per call',
      target: threeSigma(expected.attempts),
    }),
    judged({
      ...facts,
      name: name('success'),
      seed: success,
      ours: (succeeded / calls) * 100,
      unit: '%',
      target: threeSigma(expected.successPercent),
    }),
    judged({
      ...facts,
      name: name('waiting'),
      seed: waitMs,
      ours: waitedMs / calls,
      unit: 'ms per call',
      target: threeSigma(expected.waitMs),
    }),
  ];
}

function threeSigma({ mean, deviation }: Expected) {
  return around(mean, 3 * deviation);
}

function around(mean: number, reach: number) {
  return { between: [mean - reach, mean + reach] as const };
}

function transient(): TimeoutError {
  return new TimeoutError('INHOUSE_TIMEOUT', 'Injected.');
}
