// One load test of one model, from options to the report: what `inhouse bench serve-load` prints.
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { machine } from '../machine.js';
import type { BenchSubject } from '../run/bench.js';
import { describeModel } from '../run/report.js';
import { measureFigures } from './figures.js';
import { type LevelOptions, measureLevels } from './levels.js';
import { measureThroughputTests } from './muai.js';
import type { ServeLoadReport } from './report.js';
import { LoadSession, type LoadTools, type ModelSetup } from './session.js';

/** 'muai': the throughput tests M-T1 to M-T7. 'batching': what continuous batching promises. Default: the levels. */
export type Suite = 'muai' | 'batching';

export interface ServeLoadOptions extends LevelOptions {
  readonly setup: ModelSetup;
  readonly suite?: Suite;
  /** Shortens a suite. */
  readonly quick: boolean;
}

/**
 * @throws InvalidInputError for requests that the model's context cannot hold; and what `load` throws
 */
export async function benchServeLoad(
  { id, folder, synthetic, command }: BenchSubject,
  options: ServeLoadOptions,
  tools: LoadTools,
): Promise<ServeLoadReport> {
  const startedAt = new Date().toISOString();
  const measuredOn = machine(); // before it is busy with us
  const model = { ...describeModel(id, synthetic, await openCheckpoint(folder)), ...options.setup };
  const session = new LoadSession(folder, options.setup, tools);
  const measured = await measure(session, id, options);
  return {
    plane: 'E',
    machine: measuredOn,
    command,
    startedAt,
    interrupted: tools.signal.aborted,
    model,
    ...measured,
  };
}

async function measure(session: LoadSession, modelName: string, options: ServeLoadOptions) {
  const { suite, setup, quick, workload } = options;
  const { seed } = workload;
  if (suite === 'batching') return { figures: await measureFigures(session, { seed, quick }) };
  if (suite === 'muai') {
    const seconds = quick
      ? { durationSeconds: 5, warmupSeconds: 1 }
      : { durationSeconds: 60, warmupSeconds: 2 };
    const { threads } = setup;
    return { records: await measureThroughputTests(session, { modelName, threads, seed, ...seconds }) };
  }
  return { results: await measureLevels(session, options) };
}
