// A finished comparison: the JSON object, and the tables that all printed forms share.
import type { Machine } from '../machine.js';
import type { BenchedModel } from '../run/report.js';
import { SAMPLES } from './plan.js';
import type { Recommendation } from './recommend.js';
import type { CandidateResult, Quality, Spread } from './results.js';

export interface CompareReport {
  readonly machine: Machine;
  /** What was typed. */
  readonly command: string;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  /** True when the run was ended early: candidates then have fewer repetitions, or lack figures. */
  readonly interrupted: boolean;
  /** ONNX Runtime's version. */
  readonly runtimeVersion: string | null;
  readonly model: BenchedModel;
  readonly text: ComparedText;
  readonly speed: SpeedSettings;
  /** What the processor's energy counters said of themselves. */
  readonly energy: string;
  /** What a reader must know to read the figures right. */
  readonly notes: readonly string[];
  readonly candidates: readonly CandidateResult[];
  readonly recommendation: Recommendation;
}

export interface ComparedText {
  /** The file, or what the default text is. */
  readonly source: string;
  readonly bytes: number;
  readonly tokens: number;
  /** All but the first. */
  readonly scoredTokens: number;
  /** In tokens. */
  readonly window: number;
  readonly stride: number;
  /** What the sample texts continue. */
  readonly prompt: string;
}

export interface SpeedSettings {
  readonly repetitions: number;
  /** Tokens of the measured prompt; 0 where none was. */
  readonly prompt: number;
  /** Decode: tokens that each row holds at the beginning, and tokens decoded per row; 0 where nothing was decoded. */
  readonly depth: number;
  readonly newTokens: number;
}

/** Above the texts to read. */
export const SAMPLES_TITLE = `Greedy text, repetition penalty ${SAMPLES.repetitionPenalty}`;

/** A table as people read it: a line per candidate, beginning with its label. */
export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: ReadonlyArray<readonly string[]>;
}

export function tablesOf({ candidates }: CompareReport): readonly Table[] {
  const batches = candidates[0]?.decode.map(({ batch }) => batch) ?? [];
  return [
    tableOf('Size and memory', SIZE_COLUMNS, candidates),
    tableOf('Speed', speedColumns(batches), candidates),
    tableOf('Quality', QUALITY_COLUMNS, candidates),
  ];
}

type Columns = ReadonlyArray<readonly [head: string, cell: (candidate: CandidateResult) => string]>;

const SIZE_COLUMNS: Columns = [
  ['disk MB', ({ diskBytes }) => fixed(diskBytes / 1e6, 1)],
  ['load ms', ({ loadMs }) => withSpread(loadMs)],
  ['RSS loaded MB', ({ rssLoadedBytes }) => withSpread(rssLoadedBytes, 1e-6)],
  ['RSS peak MB', ({ rssPeakBytes }) => withSpread(rssPeakBytes, 1e-6)],
  ['KV bytes/token', ({ kvBytesPerToken }) => fixed(kvBytesPerToken, 0)],
];

function speedColumns(batches: readonly number[]): Columns {
  return [
    ['products in', ({ computeType }) => computeType],
    ['first token ms', ({ timeToFirstTokenMs }) => withSpread(timeToFirstTokenMs)],
    ['prefill tokens/s', ({ prefillTokensPerSecond }) => withSpread(prefillTokensPerSecond)],
    ...batches.map((batch, i): Columns[number] => [
      `decode tokens/s, batch ${batch}`,
      ({ decode }) => withSpread(decode[i]!.tokensPerSecond),
    ]),
    ['J/token', ({ joulesPerToken }) => fixed(joulesPerToken?.median ?? null, 3)],
  ];
}

const QUALITY_COLUMNS: Columns = [
  ['perplexity', ({ quality }) => fixed(quality?.perplexity ?? null, 3)],
  ['against FP32', ({ quality }) => changeOf(quality)],
  ['bits/byte', ({ quality }) => fixed(quality?.bitsPerByte ?? null, 4)],
  ['same first choice', ({ quality }) => percent(quality?.top1Agreement ?? null)],
  ['KL nats', ({ quality }) => fixed(quality?.meanKl ?? null, 5)],
  ['|Δ log p|', ({ quality }) => fixed(quality?.meanAbsLogprobDifference ?? null, 4)],
];

function tableOf(title: string, columns: Columns, candidates: readonly CandidateResult[]): Table {
  return {
    title,
    head: ['', ...columns.map(([head]) => head)],
    rows: candidates.map((candidate) => [candidate.label, ...columns.map(([, cell]) => cell(candidate))]),
  };
}

/** What stands above and below the tables, a line each. */
export function introduction({
  machine,
  model,
  runtimeVersion,
  candidates,
}: CompareReport): readonly string[] {
  const { cpu, cores, platform, node } = machine;
  const threads = [...new Set(candidates.map((candidate) => candidate.threads))].join(' or ');
  const runners = [...new Set(candidates.map(({ runner }) => runner))].join(' and ');
  const devices = [...new Set(candidates.map(({ device }) => device))].join(' and ');
  return [
    `${model.id}, ${(model.parameters / 1e6).toFixed(1)} M parameters`,
    `${cpu}, ${cores} cores, ${platform}, Node ${node}, ONNX Runtime ${runtimeVersion ?? 'not loaded'}`,
    `${runners} runner, ${devices}, threads: ${threads}`,
  ];
}

/** How the figures came about, and what limits them. */
export function remarks(report: CompareReport): readonly string[] {
  const { interrupted, speed, text, energy, notes, candidates } = report;
  const { repetitions, prompt, depth, newTokens } = speed;
  return [
    ...(interrupted ? ['Interrupted: this is what had been measured by then.'] : []),
    ...candidates.flatMap(({ label, failure }) => (failure === null ? [] : [`${label} failed: ${failure}`])),
    `Medians of ${interrupted ? 'up to ' : ''}${repetitions} repetition${repetitions === 1 ? '' : 's'}, candidates interleaved, each in a fresh ` +
      'process; [minimum, maximum] in brackets. Memory is of the whole process, Node.js included; loaded is after the ' +
      'first token.',
    `First token and prefill: a prompt of ${prompt} tokens. Decode: ${newTokens} tokens per row after ${depth}.`,
    `Text: ${text.source}; ${text.bytes} bytes, ${text.tokens} tokens, ${text.scoredTokens} of them scored, window ` +
      `${text.window}, stride ${text.stride}. FP32 by the same runner is the reference: its perplexity, ± the standard error of the change; KL(FP32 || candidate).`,
    `Energy: ${energy}.`,
    ...notes,
  ];
}

export function withSpread(spread: Spread | null, scale = 1): string {
  if (spread === null) return '-';
  const [median, min, max] = [spread.median, spread.min, spread.max].map((value) => short(value * scale));
  return `${median} [${min}, ${max}]`;
}

/** Three digits or more. */
function short(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

function fixed(value: number | null, digits: number): string {
  return value === null ? '-' : value.toFixed(digits);
}

/** With its standard error. */
export function changeOf(quality: Quality | null): string {
  if (quality === null) return '-';
  const { perplexityChange: change, perplexityChangeError: error } = quality;
  return `${change < 0 ? '' : '+'}${(change * 100).toFixed(2)} ± ${percent(error)}`;
}

function percent(value: number | null): string {
  return value === null ? '-' : `${(value * 100).toFixed(2)} %`;
}
