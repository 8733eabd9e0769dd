// A checkpoint's weights, converted in parallel into one file. Memory holds a band of a tensor per thread, never a model.
//
// Where each part of each tensor goes is known before any weight is read (planWeightsFile), so threads write at their own
// offsets and the bytes depend neither on how many threads there are nor on who finishes first.
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Checkpoint } from '../../checkpoint/checkpoint.js';
import type { StoredTensor } from '../../checkpoint/safetensors.js';
import { CheckpointError } from '../../errors.js';
import type { WeightScheme } from '../precision.js';
import { isTransposed, planWeightsFile, type StoredWeight } from './weights-file.js';
import type { BandResult, BandTask, Part } from './worker.js';
import { runInWorkers, type WorkersOptions } from './workers.js';

export interface QuantizeProgress {
  readonly writtenBytes: number;
  readonly totalBytes: number;
}

export interface QuantizeOptions extends WorkersOptions {
  /** Called after each band. */
  readonly onProgress?: ((progress: QuantizeProgress) => void) | undefined;
}

const WORKER = new URL('./worker.js', import.meta.url);
/** Weights per band. A matrix that has to be transposed is one band whatever its size. */
const BAND_WEIGHTS = 2 ** 20;

/**
 * Writes `file` (made anew) and returns where each tensor lies in it. Keys of `schemes` and of the result are the names of
 * `checkpoint.tensors` ('h.0.attn.c_attn.weight'); tensors without a scheme are stored as float32. When it rejects, all
 * threads have stopped, and the file is incomplete: remove it.
 * @throws CheckpointError `INHOUSE_TENSOR_NOT_FINITE` for NaN and infinity, `INHOUSE_TENSOR_OVERFLOW` for weights too large
 * for their scheme, as `readTensor` for files that cannot be read; ArtefactError `INHOUSE_QUANTIZE_FAILED` when a thread
 * ends; the system's error, with its `code`, when the file cannot be written; the signal's reason.
 */
export async function quantizeCheckpoint(
  checkpoint: Pick<Checkpoint, 'tensors'>,
  schemes: ReadonlyMap<string, WeightScheme>,
  file: string,
  { onProgress, ...options }: QuantizeOptions = {},
): Promise<ReadonlyMap<string, StoredWeight>> {
  const { weights, sizeBytes } = planWeightsFile(checkpoint.tensors, schemes, basename(file));
  await allocate(file, sizeBytes);
  const tasks = [...checkpoint.tensors].flatMap(([name, tensor]) =>
    bandTasks(tensor, weights.get(name)!, isTransposed(name), file),
  );
  const totalBytes = [...weights.values()]
    .flatMap(partsOf)
    .reduce((bytes, [, { byteLength }]) => bytes + byteLength, 0);
  let writtenBytes = 0;
  const onBand = (result: BandResult): void => {
    writtenBytes += bytesOrThrow(result);
    onProgress?.({ writtenBytes, totalBytes });
  };
  await runInWorkers<BandTask, BandResult>(WORKER, tasks, onBand, options);
  return weights;
}

async function allocate(file: string, sizeBytes: number): Promise<void> {
  const handle = await open(file, 'w');
  try {
    await handle.truncate(sizeBytes);
  } finally {
    await handle.close();
  }
}

/** Splits a tensor by rows where the rows of what it becomes are the same ones. */
function bandTasks(
  tensor: StoredTensor,
  weight: StoredWeight,
  transposed: boolean,
  file: string,
): BandTask[] {
  const { scheme } = weight;
  const transpose = scheme.kind === 'blockwise' && transposed;
  const isWhole = transpose || scheme.kind === 'channel';
  const [rows, ...rest] = tensor.shape as [number, ...number[]];
  const rowWeights = rest.reduce((product, size) => product * size, 1);
  const rowsPerBand = isWhole ? rows : Math.max(1, Math.floor(BAND_WEIGHTS / rowWeights));

  const tasks: BandTask[] = [];
  for (let first = 0; first < rows; first += rowsPerBand) {
    const count = Math.min(rowsPerBand, rows - first);
    const atRow = ({ offset, byteLength }: Bytes) => offset + (first * byteLength) / rows;
    const byteLength = (count * tensor.byteLength) / rows;
    tasks.push({
      source: { ...tensor, shape: [count, ...rest], offset: atRow(tensor), byteLength },
      scheme,
      transpose,
      file,
      offsets: Object.fromEntries(partsOf(weight).map(([part, bytes]) => [part, atRow(bytes)])),
    });
  }
  return tasks;
}

interface Bytes {
  readonly offset: number;
  readonly byteLength: number;
}

function partsOf({ data, scales, zeroPoints }: StoredWeight): Array<[Part, Bytes]> {
  const parts: Array<[Part, Bytes | undefined]> = [
    ['data', data],
    ['scales', scales],
    ['zeroPoints', zeroPoints],
  ];
  return parts.filter((part): part is [Part, Bytes] => part[1] !== undefined);
}

function bytesOrThrow(result: BandResult): number {
  if ('writtenBytes' in result) return result.writtenBytes;
  if ('systemError' in result) throw Object.assign(new Error(result.systemError.message), result.systemError);
  const { code, message, details } = result.error;
  throw new CheckpointError(code, message, { details });
}
