// What a verification has found so far, as the one JSON object that it writes, and what of it meets the targets. Pure.
import type { Machine } from '../machine.js';
import type { BenchResult } from '../run/results.js';
import type { Agreement } from './agreement.js';
import type { ContractResult } from './contract.js';
import type { EngineResult } from './engine.js';
import type { Environment } from './environment.js';
import type { PartName } from './plan.js';
import type { TorchResult } from './torch.js';

export interface PartState {
  readonly name: PartName;
  readonly state: 'done' | 'failed' | 'left out';
  /** Why it failed or was left out. */
  readonly reason: string | null;
  readonly seconds: number;
}

export interface GpuReport {
  readonly machine: Machine;
  /** What was typed. */
  readonly command: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** Everything but the GPU: host memory in place of the device's, a tiny model. Its figures mean nothing. */
  readonly dryRun: boolean;
  /** Shape of the measured model; its weights are random. */
  readonly shape: string;
  readonly parts: readonly PartState[];
  readonly environment: Environment | null;
  readonly agreement: readonly Agreement[];
  readonly speed: readonly BenchResult[];
  readonly engine: readonly EngineResult[];
  readonly torch: readonly TorchResult[];
  readonly contract: readonly ContractResult[];
  readonly targets: readonly Target[];
}

export interface Target {
  readonly name: string;
  readonly target: string;
  readonly value: number | null;
  /** Null where it was not measured. */
  readonly met: boolean | null;
}

/** What the targets are about: tokens that rows hold, of the prompt, and of a request. */
const DEPTH = 64;
const PROMPT = 128;
const OUTPUT = 100;

type Figures = Pick<GpuReport, 'speed' | 'engine' | 'torch'>;

/** The targets for gpt2 at FP16 on an H100; the best of the ways to decode counts, each of them stands in `speed`. */
export function targetsOf({ speed, engine, torch }: Figures): readonly Target[] {
  const fp16 = speed.filter(({ precision }) => precision === 'fp16');
  const decodes = (batch: number) =>
    fp16.filter((one) => one.phase === 'decode' && one.batch === batch && one.depth === DEPTH);
  const rate = (batch: number) => best(decodes(batch).map(({ tokensPerSecond }) => tokensPerSecond));
  const prefill = fp16.find(({ phase, prompt }) => phase === 'prefill' && prompt === PROMPT);
  const eager = torch.find(
    ({ mode, phase, batch, depth }) =>
      mode === 'eager' && phase === 'decode' && batch === 1 && depth === DEPTH,
  );
  const requests = engine.filter(({ outputTokens }) => outputTokens === OUTPUT);
  return [
    atLeast('decode of one row, tokens/s', 1000, rate(1)),
    atLeast('the same over PyTorch eager', 3, ratio(rate(1), eager?.tokensPerSecond ?? null)),
    atLeast('decode of 64 rows, tokens/s', 25_000, rate(64)),
    below(`first token of ${PROMPT}, ms`, 10, prefill?.timeToFirstTokenMs ?? null),
    atLeast(
      `requests of ${OUTPUT} tokens through the engine, 1/s`,
      100,
      best(requests.map(({ requestsPerSecond }) => requestsPerSecond)),
    ),
    below('memory of the GPU with 64 rows, bytes', 2e9, best(decodes(64).map((one) => one.deviceUsedBytes))),
  ];
}

function best(values: ReadonlyArray<number | null>): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function ratio(value: number | null, other: number | null): number | null {
  return value === null || other === null ? null : value / other;
}

function atLeast(name: string, least: number, value: number | null): Target {
  return { name, target: `>= ${least}`, value, met: value === null ? null : value >= least };
}

function below(name: string, limit: number, value: number | null): Target {
  return { name, target: `< ${limit}`, value, met: value === null ? null : value < limit };
}

/** A line per target. */
export function printedTargets(targets: readonly Target[]): string {
  const verdict = (met: boolean | null) => (met === null ? 'not measured' : met ? 'met' : 'NOT MET');
  return targets
    .map(
      ({ name, target, value, met }) => `${verdict(met)}: ${name} ${target}: ${value?.toPrecision(4) ?? '-'}`,
    )
    .join('\n');
}

/** Part of a file's name: 'NVIDIA H100 80GB HBM3' is 'nvidia-h100-80gb-hbm3'. */
export function slug(name: string): string {
  return name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '');
}
