// Times operations that take microseconds or less: in batches, because one alone is below what a clock resolves.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Bench } from 'tinybench';
import { Random } from '../run/random.js';

export interface TimedWork {
  /** The operation; `i` counts within the batch. */
  readonly work: (i: number) => unknown;
  /** Operations per sample. */
  readonly batch: number;
  /** Makes ready what a batch uses up; not timed. */
  readonly prepare?: (() => void | Promise<void>) | undefined;
}

const WARM_UP_SAMPLES = 50;
const TURNS = 40;
const SEED = 20_260_113;

/** What operations return goes here: exported, so that no compiler can find out that nobody wants it. */
export let sink: unknown;

/** Microseconds per operation: one sample per batch. */
export async function timeWork(samples: number, { work, batch, prepare }: TimedWork): Promise<number[]> {
  return timeBatches(samples, batch, prepare, () => {
    for (let i = 0; i < batch; i++) sink = work(i);
  });
}

/** As `timeWork`, each operation awaited before the next begins. */
export async function timeAsyncWork(samples: number, { work, batch, prepare }: TimedWork): Promise<number[]> {
  return timeBatches(samples, batch, prepare, async () => {
    for (let i = 0; i < batch; i++) sink = await work(i);
  });
}

/**
 * For operations to be compared, each awaited: microseconds of processor time per operation, by name. They are measured
 * in turns, so that drift of the machine falls on all alike; in a new order each turn, because what one leaves to be
 * collected the next one pays for; and by processor time, because the little that one takes longer than the other
 * drowns in waiting for a processor. Before each batch the event loop turns, so that what they
 * leave behind, such as spans to export, is done in between.
 */
export async function timeInTurns<Name extends string>(
  samples: number,
  batch: number,
  works: Readonly<Record<Name, () => unknown>>,
  clock: 'processor' | 'wall' = 'processor',
): Promise<Record<Name, number[]>> {
  const names = Object.keys(works) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const random = new Random(SEED);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const name of shuffled(names, random)) {
      const run = async () => {
        for (let i = 0; i < batch; i++) sink = await works[name]();
      };
      const timed = clock === 'wall' ? run : () => processorTime(run);
      times[name].push(...(await timeBatches(Math.ceil(samples / TURNS), batch, nextTurn, timed)));
    }
  }
  return times;
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const keys = items.map(() => random.uniform());
  return [...items.keys()].sort((a, b) => keys[a]! - keys[b]!).map((index) => items[index]!);
}

/** As tinybench takes a duration that is not its own. */
async function processorTime(run: () => Promise<void>): Promise<{ readonly overriddenDuration: number }> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return { overriddenDuration: (user + system) / 1000 };
}

async function timeBatches(
  samples: number,
  batch: number,
  prepare: TimedWork['prepare'],
  run: () => unknown,
): Promise<number[]> {
  const bench = new Bench({
    iterations: samples,
    time: 0,
    warmupIterations: Math.min(WARM_UP_SAMPLES, samples),
    warmupTime: 0,
    retainSamples: true,
    throws: true,
  });
  bench.add('batch', run, prepare ? { beforeEach: prepare } : {});
  const [task] = await bench.run();
  const result = task!.result;
  if (!('latency' in result)) throw new Error(`The measurement is ${result.state}.`);
  return result.latency.samples!.map((ms) => (ms * 1000) / batch);
}
