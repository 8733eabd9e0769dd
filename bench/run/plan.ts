// What one `inhouse bench run` measures, in which order. Pure: from options to setups and cases.
import { invalidOption } from '../../src/options.js';
import type { RunnerInfo } from '../../src/runtime/runner.js';
import type { DeviceLabel } from './devices.js';

/** Named as llama-bench names its options. */
export interface BenchOptions {
  /** Kinds, already resolved: no 'auto'. */
  readonly runners: readonly RunnerInfo['kind'][];
  /** Labels. */
  readonly precisions: readonly string[];
  readonly devices: readonly DeviceLabel[];
  readonly threads: readonly number[];
  /** Prompt lengths in tokens; 0 measures no prefill. */
  readonly nPrompt: readonly number[];
  /** Tokens to generate per row; 0 measures no decode. */
  readonly nGen: number;
  /** Rows that are decoded together. */
  readonly batchSize: readonly number[];
  /** KV positions that each row holds when decode begins, >= 1. */
  readonly depth: readonly number[];
  readonly repetitions: number;
}

/** One loaded model. */
export interface Setup {
  readonly runner: RunnerInfo['kind'];
  /** Label. */
  readonly precision: string;
  readonly device: DeviceLabel;
  readonly threads: number;
}

export interface PrefillCase {
  readonly phase: 'prefill';
  readonly prompt: number;
}

export interface DecodeCase {
  readonly phase: 'decode';
  readonly batch: number;
  readonly depth: number;
  /** Per row. */
  readonly newTokens: number;
  /** 1 is how the engine decodes; `newTokens` is one call for all, which shows what driving it from outside costs. */
  readonly stepsPerCall: number;
}

export type BenchCase = PrefillCase | DecodeCase;

export interface BenchPlan {
  readonly setups: readonly Setup[];
  /** Measured with each setup. */
  readonly cases: readonly BenchCase[];
  readonly repetitions: number;
}

/**
 * Every combination once, however often the options name it.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for what the model's context cannot hold
 */
export function planBench(options: BenchOptions, contextLength: number): BenchPlan {
  const { repetitions } = options;
  const setups = unique(options.precisions).flatMap((precision) =>
    unique(options.runners).flatMap((runner) =>
      unique(options.devices).flatMap((device) =>
        unique(options.threads).map((threads) => ({ runner, precision, device, threads })),
      ),
    ),
  );
  const cases = [...prefillCases(options, contextLength), ...decodeCases(options, contextLength)];
  return { setups, cases, repetitions };
}

function prefillCases({ nPrompt }: BenchOptions, contextLength: number): PrefillCase[] {
  const prompts = unique(nPrompt).filter((prompt) => prompt > 0);
  const tooLong = prompts.find((prompt) => prompt > contextLength);
  if (tooLong !== undefined) {
    throw invalidOption('bench', 'nPrompt', tooLong, `at most the model's context, ${contextLength}`);
  }
  return prompts.map((prompt) => ({ phase: 'prefill', prompt }));
}

function decodeCases({ nGen, batchSize, depth: depths }: BenchOptions, contextLength: number): DecodeCase[] {
  if (nGen === 0) return [];
  if (nGen >= contextLength) {
    throw invalidOption('bench', 'nGen', nGen, `below the model's context, ${contextLength}`);
  }
  const tooDeep = depths.find((depth) => depth + nGen > contextLength);
  if (tooDeep !== undefined) {
    const most = `at most ${contextLength - nGen}: the model's context is ${contextLength}, --n-gen ${nGen}`;
    throw invalidOption('bench', 'depth', tooDeep, most);
  }
  return unique(depths).flatMap((depth) =>
    unique(batchSize).flatMap((batch) =>
      unique([1, nGen]).map(
        (stepsPerCall): DecodeCase => ({ phase: 'decode', batch, depth, newTokens: nGen, stepsPerCall }),
      ),
    ),
  );
}

/** Rows that the runner needs. */
export function mostRows({ cases }: Pick<BenchPlan, 'cases'>): number {
  return Math.max(1, ...cases.map((measured) => (measured.phase === 'decode' ? measured.batch : 1)));
}

/** The order of a repetition: to and fro, so that no case always comes first or always after the same other. */
export function inOrderOf<Item>(repetition: number, items: readonly Item[]): readonly Item[] {
  return repetition % 2 === 0 ? items : items.toReversed();
}

function unique<Item>(items: readonly Item[]): readonly Item[] {
  return [...new Set(items)];
}
