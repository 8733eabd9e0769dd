// Opens one candidate's runner from the checkpoint's folder, as load() does it.
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { parsePrecision } from '../../src/graph/precision.js';
import { prepareModel } from '../../src/graph/prepare.js';
import type { Runner } from '../../src/runtime/runner.js';
import { deviceSettings, graphDevice } from '../run/devices.js';
import { openRunner } from '../run/runners.js';
import type { Candidate } from './plan.js';

/** Where the candidate is opened from. */
export interface Place {
  readonly folder: string;
  /** The folder of derived files. */
  readonly home: string;
  readonly candidate: Candidate;
}

export async function openCandidate({ folder, home, candidate }: Place, maxRows: number): Promise<Runner> {
  const checkpoint = await openCheckpoint(folder);
  const prepared = await prepareModel(checkpoint, home, {
    precision: parsePrecision(candidate.precision),
    device: graphDevice(candidate.device),
  });
  const { threads } = candidate;
  const device = deviceSettings(candidate.device);
  return openRunner(candidate.runner, { config: checkpoint.config, ...prepared, maxRows, threads, device });
}
