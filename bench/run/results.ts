// From samples to the results that a run reports: medians, spreads, rates and the share of the floor. Pure.
import type { Gpt2Config } from '../../src/checkpoint/config.js';
import type { RunnerInfo } from '../../src/runtime/runner.js';
import { median } from '../statistics.js';
import { floorMs, meanPositions, weightBytesPerStep } from './floor.js';
import type { DeviceMemory, Sample } from './measure.js';
import type { BenchCase, Setup } from './plan.js';

/** One line of the report. A field that does not apply is null; docs/bench.md says of each what it means. */
export interface BenchResult extends Setup {
  readonly computeType: RunnerInfo['computeType'];
  readonly runtimeVersion: string;
  readonly weightBytes: number;
  readonly kvBytesPerToken: number;
  readonly phase: 'load' | 'prefill' | 'decode';
  readonly batch: number | null;
  readonly prompt: number | null;
  readonly depth: number | null;
  readonly newTokens: number | null;
  readonly stepsPerCall: number | null;
  readonly repetitions: number;
  readonly tokensPerSecond: number | null;
  readonly msPerStep: number;
  readonly spread: { readonly minMs: number; readonly maxMs: number };
  readonly timeToFirstTokenMs: number | null;
  readonly bandwidthBytesPerSecond: number | null;
  readonly floorMs: number | null;
  readonly floorShare: number | null;
  readonly rssBytes: number | null;
  readonly kvUsedBytes: number | null;
  readonly kvCommittedBytes: number | null;
  readonly deviceHeldBytes: number | null;
  readonly deviceUsedBytes: number | null;
}

/** What loading the model once gave. */
export interface LoadSample extends DeviceMemory {
  readonly ms: number;
  /** From the beginning of the load until a token was drawn from a prompt of one token. */
  readonly firstTokenMs: number;
  /** Of the whole process, after that first token. */
  readonly rssBytes: number;
  readonly kvBytesPerToken: number;
  /** On disk, in this precision. */
  readonly weightBytes: number;
  readonly computeType: RunnerInfo['computeType'];
  /** ONNX Runtime's. */
  readonly runtimeVersion: string;
}

export interface MeasuredCase {
  readonly measured: BenchCase;
  readonly samples: Sample[];
  /** Taken right before the samples; empty where the case has no floor or the bandwidth cannot be measured. */
  readonly bandwidths: number[];
}

/** Everything measured with one setup, in the order in which it was measured. */
export interface SetupSamples {
  readonly setup: Setup;
  readonly loads: LoadSample[];
  readonly cases: readonly MeasuredCase[];
}

/** The results of one setup; of cases that were never completed there are none. */
export function summarise({ setup, loads, cases }: SetupSamples, config: Gpt2Config): BenchResult[] {
  const [first] = loads;
  if (first === undefined) return [];
  const { computeType, runtimeVersion, weightBytes, kvBytesPerToken } = first;
  const facts = (phase: BenchResult['phase']) => ({
    ...setup,
    computeType,
    runtimeVersion,
    weightBytes,
    kvBytesPerToken,
    phase,
    ...NOT_APPLICABLE,
  });
  const load: BenchResult = {
    ...facts('load'),
    ...timesOf(loads),
    timeToFirstTokenMs: median(loads.map(({ firstTokenMs }) => firstTokenMs)),
    rssBytes: median(loads.map(({ rssBytes }) => rssBytes)),
    ...deviceMemoryOf(loads),
  };
  const steps = cases
    .filter(({ samples }) => samples.length > 0)
    .map(
      (one): BenchResult => ({
        ...facts(one.measured.phase),
        ...resultOf(one),
        ...shareOfFloor(one, first, setup, config),
      }),
    );
  return [load, ...steps];
}

/** Whether a floor is stated: only a single row is bound by reading the weights alone. */
export function hasFloor(measured: BenchCase): boolean {
  return measured.phase === 'decode' && measured.batch === 1;
}

const NOT_APPLICABLE = {
  batch: null,
  prompt: null,
  depth: null,
  newTokens: null,
  stepsPerCall: null,
  tokensPerSecond: null,
  timeToFirstTokenMs: null,
  bandwidthBytesPerSecond: null,
  floorMs: null,
  floorShare: null,
  rssBytes: null,
  kvUsedBytes: null,
  kvCommittedBytes: null,
  deviceHeldBytes: null,
  deviceUsedBytes: null,
} as const;

function resultOf({ measured, samples }: MeasuredCase) {
  const times = timesOf(samples);
  const tokensPerStep = measured.phase === 'prefill' ? measured.prompt : measured.batch;
  const shape = measured.phase === 'prefill' ? { ...measured, batch: 1, depth: 0 } : measured;
  const firstTokens = samples.map(({ firstTokenMs }) => firstTokenMs).filter((ms) => ms !== null);
  return {
    ...shape,
    ...times,
    tokensPerSecond: (tokensPerStep / times.msPerStep) * 1000,
    timeToFirstTokenMs: firstTokens.length === 0 ? null : median(firstTokens),
    kvUsedBytes: median(samples.map(({ kvUsedBytes }) => kvUsedBytes)),
    kvCommittedBytes: median(samples.map(({ kvCommittedBytes }) => kvCommittedBytes)),
    ...deviceMemoryOf(samples),
  };
}

function deviceMemoryOf(samples: readonly DeviceMemory[]): DeviceMemory {
  const medianOf = (figures: ReadonlyArray<number | null>) => {
    const known = figures.filter((bytes) => bytes !== null);
    return known.length === 0 ? null : median(known);
  };
  return {
    deviceHeldBytes: medianOf(samples.map(({ deviceHeldBytes }) => deviceHeldBytes)),
    deviceUsedBytes: medianOf(samples.map(({ deviceUsedBytes }) => deviceUsedBytes)),
  };
}

function timesOf(samples: readonly { readonly ms: number }[]) {
  const times = samples.map(({ ms }) => ms);
  return {
    repetitions: times.length,
    msPerStep: median(times),
    spread: { minMs: Math.min(...times), maxMs: Math.max(...times) },
  };
}

function shareOfFloor(
  { measured, samples, bandwidths }: MeasuredCase,
  { computeType, kvBytesPerToken }: LoadSample,
  { precision }: Setup,
  config: Gpt2Config,
) {
  if (measured.phase !== 'decode' || bandwidths.length === 0) return {};
  const kvBytes = meanPositions(measured.depth, measured.newTokens) * kvBytesPerToken;
  const bandwidth = median(bandwidths);
  const floor = floorMs(weightBytesPerStep(config, precision, computeType) + kvBytes, bandwidth);
  return {
    bandwidthBytesPerSecond: bandwidth,
    floorMs: floor,
    floorShare: floor / median(samples.map(({ ms }) => ms)),
  };
}
