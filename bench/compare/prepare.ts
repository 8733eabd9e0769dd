// Builds what a candidate is loaded from, ahead of measuring, and tells its size on disk.
import { stat } from 'node:fs/promises';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { parsePrecision } from '../../src/graph/precision.js';
import { type PreparedModel, type PrepareOptions, prepareModel } from '../../src/graph/prepare.js';
import { graphDevice } from '../run/devices.js';
import type { Candidate } from './plan.js';

export interface PreparedCandidate {
  /** Of what loading it reads: the graph, and the weights wherever they lie. */
  readonly diskBytes: number;
  readonly computeType: PreparedModel['computeType'];
}

export async function prepareCandidate(
  checkpoint: Checkpoint,
  home: string,
  { precision, device }: Candidate,
  options: Pick<PrepareOptions, 'signal' | 'onProgress'>,
): Promise<PreparedCandidate> {
  const spec = parsePrecision(precision);
  const prepared = await prepareModel(checkpoint, home, {
    ...options,
    precision: spec,
    device: graphDevice(device),
  });
  const { size } = await stat(prepared.graphFile);
  return { diskBytes: prepared.weightBytes + size, computeType: prepared.computeType };
}
