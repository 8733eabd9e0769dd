// Measures one candidate once in this process, which must be fresh: loading, memory, every case, energy.
import { processMemory } from '../../src/runtime/native/memory.js';
import type { Runner } from '../../src/runtime/runner.js';
import { measureCase, rowOptions, type Sample } from '../run/measure.js';
import { type BenchCase, type DecodeCase, mostRows } from '../run/plan.js';
import { Random } from '../run/random.js';
import { EnergyMeter } from './energy.js';
import { openCandidate, type Place } from './open.js';

export interface SpeedTask extends Place {
  readonly kind: 'speed';
  readonly cases: readonly BenchCase[];
}

/** What one repetition of a candidate gave. Memory is of the whole process. */
export interface SpeedSample {
  /** From the folder to a runner that is ready. */
  readonly loadMs: number;
  /** Before the load: Node.js alone. */
  readonly rssBeforeBytes: number;
  /** After a first token: weights are mapped, and read when first used. */
  readonly rssLoadedBytes: number;
  /** The most there ever was, after all cases. */
  readonly rssPeakBytes: number;
  readonly kvBytesPerToken: number;
  /** ONNX Runtime's. */
  readonly runtimeVersion: string;
  /** One per case of the task. */
  readonly samples: readonly Sample[];
  /** Per token of the first decode case; null where energy is not exposed. */
  readonly joulesPerToken: number | null;
}

/** Prompts are the same random tokens in every process. */
const SEED = 1;
const WARM_UP_STEPS = 2;

export async function measureSpeed(task: SpeedTask): Promise<SpeedSample> {
  const { cases } = task;
  const rssBeforeBytes = process.memoryUsage.rss();
  const begin = performance.now();
  const runner = await openCandidate(task, mostRows({ cases }));
  const loadMs = performance.now() - begin;
  await firstToken(runner);
  const rssLoadedBytes = process.memoryUsage.rss();

  const tools = { random: new Random(SEED), signal: NEVER };
  const samples: Sample[] = [];
  for (const one of cases) samples.push(await measureCase(runner, one, tools));
  const joulesPerToken = await measureEnergy(runner, cases);
  const { kv } = await runner.statistics();
  const sample = {
    loadMs,
    rssBeforeBytes,
    rssLoadedBytes,
    rssPeakBytes: peakRssBytes(),
    kvBytesPerToken: kv.bytesPerToken,
    runtimeVersion: runner.info.runtimeVersion,
    samples,
    joulesPerToken,
  };
  await runner.dispose();
  return sample;
}

/** Who wants this process to stop ends it. */
const NEVER = new AbortController().signal;

async function firstToken(runner: Runner): Promise<void> {
  await runner.openRow(0, rowOptions(runner));
  await runner.prefill(0, [0], { sample: true });
  await runner.closeRow(0);
}

/** The addon reads the peak of this program; what Node.js tells may be that of the process that started it. */
function peakRssBytes(): number {
  return processMemory()?.peakBytes ?? process.resourceUsage().maxRSS * 1024;
}

async function measureEnergy(runner: Runner, cases: readonly BenchCase[]): Promise<number | null> {
  const meter = EnergyMeter.open();
  const decode = cases.find((one): one is DecodeCase => one.phase === 'decode');
  if (!(meter instanceof EnergyMeter) || decode === undefined) return null;
  const { batch, newTokens } = decode;
  for (let row = 0; row < batch; row++) {
    await runner.openRow(row, rowOptions(runner));
    await runner.prefill(row, [0], { sample: true });
  }
  await runner.decode(batch, Math.min(WARM_UP_STEPS, newTokens));
  const before = meter.read();
  for (let step = 0; step < newTokens; step++) await runner.decode(batch);
  const joules = meter.joulesSince(before);
  for (let row = 0; row < batch; row++) await runner.closeRow(row);
  return joules / (newTokens * batch);
}
