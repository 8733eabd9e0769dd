// Builds what a candidate is loaded from, ahead of measuring, and tells its size on disk.
import { stat } from 'node:fs/promises';
import type { Checkpoint } from '../../src/checkpoint/checkpoint.js';
import { type ComputeType, parsePrecision } from '../../src/graph/precision.js';
import { type PrepareOptions, prepareModel } from '../../src/graph/prepare.js';

export interface PreparedCandidate {
  /** Of what loading it reads: the graph, and the weights wherever they lie. */
  readonly diskBytes: number;
  readonly computeType: ComputeType;
}

export async function prepareCandidate(
  checkpoint: Checkpoint,
  home: string,
  precision: string,
  options: Pick<PrepareOptions, 'signal' | 'onProgress'>,
): Promise<PreparedCandidate> {
  const spec = parsePrecision(precision);
  const prepared = await prepareModel(checkpoint, home, { ...options, precision: spec });
  const { size } = await stat(prepared.graphFile);
  return { diskBytes: prepared.weightBytes + size, computeType: prepared.computeType };
}
