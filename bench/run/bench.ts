// One benchmark of one model, from options to the report: what `inhouse bench run` prints.
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { machine } from '../machine.js';
import { type BenchOptions, planBench } from './plan.js';
import { type BenchReport, describeModel } from './report.js';
import { type BenchTools, runBench } from './run.js';

export interface BenchSubject {
  /** For the report. */
  readonly id: string;
  /** A checkpoint folder; a tokenizer is not needed. */
  readonly folder: string;
  /** Whether its weights are random. */
  readonly synthetic: boolean;
  /** For the report: what the user typed. */
  readonly command: string;
}

/**
 * @throws InvalidInputError for options that the model's context cannot hold; and what opening, preparing and running
 * a checkpoint throw
 */
export async function benchModel(
  { id, folder, synthetic, command }: BenchSubject,
  options: BenchOptions,
  tools: BenchTools,
): Promise<BenchReport> {
  const startedAt = new Date().toISOString();
  const measuredOn = machine(); // before it is busy with us
  const checkpoint = await openCheckpoint(folder);
  const plan = planBench(options, checkpoint.config.contextLength);
  const results = await runBench(checkpoint, plan, tools);
  return {
    machine: measuredOn,
    command,
    startedAt,
    interrupted: tools.signal.aborted,
    model: describeModel(id, synthetic, checkpoint),
    results,
  };
}
