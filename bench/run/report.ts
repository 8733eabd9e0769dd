// A finished run as one JSON object, and as tables for people.
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import type { Machine } from '../machine.js';
import { type Columns, fixed, table } from '../table.js';
import type { BenchResult } from './results.js';

export interface BenchReport {
  readonly machine: Machine;
  /** What was typed. */
  readonly command: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** True when the run was ended early: some results then have fewer repetitions, or are absent. */
  readonly interrupted: boolean;
  readonly model: BenchedModel;
  readonly results: readonly BenchResult[];
}

export interface BenchedModel {
  readonly id: string;
  /** True for random weights. */
  readonly synthetic: boolean;
  readonly parameters: number;
  readonly layers: number;
  readonly width: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
}

export function describeModel(id: string, synthetic: boolean, checkpoint: Checkpoint): BenchedModel {
  const { layers, width, vocabularySize, contextLength } = checkpoint.config;
  const parameters = checkpoint.parameterCount;
  return { id, synthetic, parameters, layers, width, vocabularySize, contextLength };
}

/** Times are medians; the columns min and max are the spread of the repetitions. */
export function printedReport({ machine, model, results, interrupted }: BenchReport): string {
  const loads = results.filter(({ phase }) => phase === 'load');
  const steps = results.filter(({ phase }) => phase !== 'load');
  const weights = model.synthetic ? 'random weights' : 'its own weights';
  const parts = [
    `${model.id}, ${weights}, ${(model.parameters / 1e6).toFixed(1)} M parameters\n` +
      `${machine.cpu}, ${machine.cores} cores, ${machine.platform}, Node ${machine.node}` +
      `${loads[0] === undefined ? '' : `, ONNX Runtime ${loads[0].runtimeVersion}`}`,
    ...(loads.length === 0 ? [] : [table(LOAD_COLUMNS, loads)]),
    ...(steps.length === 0 ? [] : [table(STEP_COLUMNS, steps)]),
    ...(lacksBandwidth(steps) ? [NO_FLOOR] : []),
    ...(interrupted ? ['Interrupted: this is what had been measured by then.'] : []),
  ];
  return parts.join('\n\n');
}

const NO_FLOOR =
  'No floor share: it takes the bandwidth of this machine, which only the native addon can measure.';

const SETUP_COLUMNS: Columns<BenchResult> = {
  runner: ({ runner }) => runner,
  precision: ({ precision }) => precision,
  device: ({ device }) => device,
  threads: ({ threads }) => String(threads),
};

const TIME_COLUMNS: Columns<BenchResult> = {
  'min ms': ({ spread }) => fixed(spread.minMs),
  'max ms': ({ spread }) => fixed(spread.maxMs),
  'first token ms': ({ timeToFirstTokenMs }) => fixed(timeToFirstTokenMs),
};

const LOAD_COLUMNS: Columns<BenchResult> = {
  ...SETUP_COLUMNS,
  computes: ({ computeType }) => computeType,
  'load ms': ({ msPerStep }) => fixed(msPerStep),
  ...TIME_COLUMNS,
  'disk MB': ({ weightBytes }) => fixed(weightBytes / 1e6, 0),
  'RSS MB': ({ rssBytes }) => fixed(rssBytes === null ? null : rssBytes / 1e6, 0),
  'GPU MB': ({ deviceHeldBytes }) => fixed(deviceHeldBytes === null ? null : deviceHeldBytes / 1e6, 0),
  'KV bytes/token': ({ kvBytesPerToken }) => String(kvBytesPerToken),
};

const STEP_COLUMNS: Columns<BenchResult> = {
  ...SETUP_COLUMNS,
  phase: ({ phase }) => phase,
  prompt: ({ prompt }) => fixed(prompt, 0),
  batch: ({ batch }) => fixed(batch, 0),
  depth: ({ depth }) => fixed(depth, 0),
  'steps/call': ({ stepsPerCall }) => fixed(stepsPerCall, 0),
  'tokens/s': ({ tokensPerSecond }) => fixed(tokensPerSecond, 1),
  'ms/step': ({ msPerStep }) => fixed(msPerStep),
  ...TIME_COLUMNS,
  'floor share': ({ floorShare }) => fixed(floorShare),
};

/** Whether a floor was due somewhere, and none is stated. */
function lacksBandwidth(steps: readonly BenchResult[]): boolean {
  return steps.some(
    ({ phase, batch, floorShare }) => phase === 'decode' && batch === 1 && floorShare === null,
  );
}
