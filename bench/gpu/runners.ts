// Opens what is verified: a runner, or a whole model, from a checkpoint's folder on a device by its label.
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { Engine } from '../../src/engine/engine.js';
import { type EngineOptions, resolveEngineOptions, runnerRows } from '../../src/engine/engine-options.js';
import { type PreparedModel, prepareModel } from '../../src/graph/prepare.js';
import { Model } from '../../src/model.js';
import { openNativeRunner } from '../../src/runtime/native.js';
import type { Runner } from '../../src/runtime/runner.js';
import { type DeviceLabel, deviceSettings, graphDevice } from '../run/devices.js';
import type { VerifiedPrecision } from './plan.js';

export interface Subject {
  /** A checkpoint folder. */
  readonly folder: string;
  /** The folder of derived files. */
  readonly home: string;
  readonly precision: VerifiedPrecision;
  readonly device: DeviceLabel;
}

interface Opened {
  readonly checkpoint: Checkpoint;
  readonly prepared: PreparedModel;
  readonly runner: Runner;
}

/** `threads` compute what is not on the GPU. */
export async function openSubject(
  { folder, home, precision, device }: Subject,
  maxRows: number,
  threads = 1,
): Promise<Opened> {
  const checkpoint = await openCheckpoint(folder);
  const prepared = await prepareModel(checkpoint, home, { precision, device: graphDevice(device) });
  const runner = await openNativeRunner({
    config: checkpoint.config,
    ...prepared,
    maxRows,
    threads,
    device: deviceSettings(device),
  });
  return { checkpoint, prepared, runner };
}

/** As `load()` puts it together, on devices too that `load()` does not offer. */
export async function openModel(subject: Subject, options: EngineOptions): Promise<Model> {
  const { checkpoint, prepared, runner } = await openSubject(subject, runnerRows('verify', options));
  const statistics = await runner.statistics();
  const settings = resolveEngineOptions(options, runner.info, statistics);
  return new Model({
    resolved: { id: 'synthetic', source: 'folder', folder: subject.folder },
    checkpoint,
    weightBytes: prepared.weightBytes,
    tokenizer: undefined,
    runner,
    engine: new Engine(runner, settings),
    deviceReason: null,
    deviceMemory: statistics.device ?? null,
  });
}
