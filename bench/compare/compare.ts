// One comparison of one model, from options to the report: what `inhouse compare` prints.
import { totalmem } from 'node:os';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { RunnerError } from '../../src/errors.js';
import { parsePrecision, weightSchemes } from '../../src/graph/precision.js';
import { planScore } from '../../src/scoring/windows.js';
import { Tokenizer } from '../../src/tokenizer/tokenizer.js';
import { machine } from '../machine.js';
import { describeModel } from '../run/report.js';
import { EnergyMeter } from './energy.js';
import { type CompareOptions, type ComparePlan, decodesOf, planCompare, SAMPLES, windowFor } from './plan.js';
import { recommend } from './recommend.js';
import type { ComparedText, CompareReport, SpeedSettings } from './report.js';
import { type CandidateResult, type Measured, summarise } from './results.js';
import { type CompareTools, runComparison } from './run.js';

export interface CompareSubject {
  /** For the report. */
  readonly id: string;
  /** A checkpoint folder with a tokenizer. */
  readonly folder: string;
  readonly text: SubjectText;
  /** For the report: what the user typed. */
  readonly command: string;
}

interface SubjectText {
  /** For the report: where it is from. */
  readonly source: string;
  readonly content: string;
}

/**
 * Where a candidate fails, the report says so, and has the others. Aborted, it resolves with what has been measured.
 * @throws InvalidInputError for options and texts that cannot be measured, before any work; what opening and preparing a
 * checkpoint throw; RunnerError `INHOUSE_RUNTIME_STEP` when no candidate gave a figure; the signal's reason when it was
 * aborted before one did
 */
export async function compareModel(
  { id, folder, text, command }: CompareSubject,
  options: CompareOptions,
  tools: CompareTools,
): Promise<CompareReport> {
  const startedAt = new Date().toISOString();
  const measuredOn = machine(); // before it is busy with us
  const checkpoint = await openCheckpoint(folder);
  const { contextLength, eosTokenIds } = checkpoint.config;
  const tokenizer = await Tokenizer.open(checkpoint.folder);
  const plan = planCompare(options, contextLength);
  for (const precision of options.precisions) weightSchemes(parsePrecision(precision), checkpoint.config); // complains early
  const ids = tokenizer.encode(text.content);
  const window = windowFor(ids.length, contextLength, options.window);
  const promptTokens = Math.min(SAMPLES.promptTokens, ids.length, contextLength - 1);
  const work = { ids, window, promptTokens, eosTokenIds };

  const measured = await runComparison(checkpoint, plan, work, tools);
  requireFigures(measured, tools.signal);
  const bytes = Buffer.byteLength(text.content);
  const decode = (tokens: readonly number[]) => tokenizer.decode(tokens, { skipUnknown: true });
  const candidates = measured.map((one) => summarise(one, plan, { bytes, decode }));
  const { stride } = planScore(ids.length, contextLength, { window });
  const compared: ComparedText = {
    source: text.source,
    bytes,
    tokens: ids.length,
    scoredTokens: ids.length - 1,
    window,
    stride,
    prompt: decode(ids.slice(0, promptTokens)),
  };
  return {
    machine: measuredOn,
    command,
    startedAt,
    interrupted: tools.signal.aborted,
    runtimeVersion: measured.flatMap(({ speeds }) => speeds)[0]?.runtimeVersion ?? null,
    model: describeModel(id, false, checkpoint),
    text: compared,
    speed: speedSettings(plan),
    energy: energyFacts(),
    notes: notesOn(checkpoint, candidates),
    candidates,
    recommendation: recommend(
      candidates.filter(({ failure }) => failure === null).map(choiceOf),
      usableMemoryBytes(),
    ),
  };
}

function requireFigures(measured: readonly Measured[], signal: AbortSignal): void {
  if (measured.some(({ speeds }) => speeds.length > 0)) return;
  signal.throwIfAborted();
  const failures = measured.map(({ label, failure }) => `${label}: ${failure}`);
  throw new RunnerError('INHOUSE_RUNTIME_STEP', `No candidate could be measured. ${failures.join(' ')}`);
}

function speedSettings(plan: ComparePlan): SpeedSettings {
  const prefill = plan.cases.find((one) => one.phase === 'prefill');
  const [decode] = decodesOf(plan);
  return {
    repetitions: plan.repetitions,
    prompt: prefill?.prompt ?? 0,
    depth: decode?.depth ?? 0,
    newTokens: decode?.newTokens ?? 0,
  };
}

function energyFacts(): string {
  const meter = EnergyMeter.open();
  return meter instanceof EnergyMeter
    ? 'counters of the processor packages (RAPL), in decode; the whole machine is in them'
    : `not exposed here (${meter.reason})`;
}

function notesOn(checkpoint: Checkpoint, candidates: readonly CandidateResult[]): string[] {
  const precisions = new Set(candidates.map(({ precision }) => precision));
  const fp16OnCpu = candidates.some(({ precision, device }) => precision === 'fp16' && device === 'cpu');
  const stored = [...new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))].join(', ');
  return [
    ...(precisions.has('fp32')
      ? [`fp32 reads the checkpoint's own files, where weights are ${stored}.`]
      : []),
    ...(fp16OnCpu ? ['fp16 on the CPU: the kernels compute in float32, so it saves disk and no time.'] : []),
  ];
}

function choiceOf({ label, quality, rssPeakBytes, decode }: CandidateResult) {
  return {
    label,
    perplexityChange: quality?.perplexityChange ?? null,
    rssPeakBytes: rssPeakBytes?.median ?? null,
    decodeTokensPerSecond: decode[0]?.tokensPerSecond?.median ?? null,
  };
}

/** The machine's memory, or what the container or control group allows of it. */
function usableMemoryBytes(): number {
  return Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
}
