// A worker thread of quantizeCheckpoint (piscina): reads one band of a tensor, converts it, and writes the parts in place.
import { closeSync, openSync, writeSync } from 'node:fs';
import { readTensor, type StoredTensor } from '../../checkpoint/safetensors.js';
import { CheckpointError, type ErrorCode, InhouseError } from '../../errors.js';
import type { WeightScheme } from '../precision.js';
import { toBfloat16 } from './bfloat16.js';
import { quantizeBlockwise } from './blockwise.js';
import { quantizeChannel } from './channel.js';
import { FLOAT16_OVERFLOW, toFloat16 } from './float16.js';

/** Neighbouring rows of a tensor, and where what they become is written. */
export interface BandTask {
  readonly source: StoredTensor;
  readonly scheme: WeightScheme;
  /** The checkpoint stores the matrix as [in, out], and the scheme wants [out, in]. */
  readonly transpose: boolean;
  readonly file: string;
  /** Bytes from the start of the file, by part. */
  readonly offsets: Readonly<Partial<Record<Part, number>>>;
}

export type Part = 'data' | 'scales' | 'zeroPoints';

/** What survives the way between threads: structured clone drops the class and fields of an error. */
export type BandResult =
  | { readonly writtenBytes: number }
  | { readonly error: { code: ErrorCode; message: string; details: Readonly<Record<string, unknown>> } }
  | { readonly systemError: { code: string | undefined; message: string } };

type Parts = Readonly<Partial<Record<Part, ArrayBufferView>>>;

export default async function quantizeBand(task: BandTask): Promise<BandResult> {
  try {
    const values = await readTensor(task.source);
    checkRange(values, task);
    return { writtenBytes: writeParts(task, convert(values, task)) };
  } catch (error) {
    if (error instanceof InhouseError)
      return { error: { code: error.code, message: error.message, details: error.details } };
    const { code, message } = error as NodeJS.ErrnoException;
    return { systemError: { code, message } };
  }
}

function convert(values: Float32Array, { source, scheme, transpose }: BandTask): Parts {
  if (scheme.kind === 'float') return { data: scheme.bits === 16 ? toFloat16(values) : values };
  const [rows, columns] = source.shape as [number, number];
  if (scheme.kind === 'channel') return quantizeChannel(values, rows, columns);
  const blocks = transpose
    ? quantizeBlockwise(transposed(values, rows, columns), columns, rows, scheme)
    : quantizeBlockwise(values, rows, columns, scheme);
  return scheme.bits === 4 ? { ...blocks, scales: toBfloat16(blocks.scales) } : blocks;
}

/** [rows, columns] to [columns, rows], in tiles that fit the cache. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const tile = 32;
  const result = new Float32Array(values.length);
  for (let top = 0; top < rows; top += tile) {
    for (let left = 0; left < columns; left += tile) {
      const bottom = Math.min(top + tile, rows);
      const right = Math.min(left + tile, columns);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++) {
          result[column * rows + row] = values[row * columns + column]!;
        }
      }
    }
  }
  return result;
}

/** Beyond this, what a quantized weight stands for could overflow float32 by rounding away from zero. */
const QUANTIZED_OVERFLOW = 2 ** 127;

function checkRange(values: Float32Array, { source, scheme }: BandTask): void {
  const limit = limitOf(scheme);
  for (let i = 0; i < values.length; i++) {
    if (!(Math.abs(values[i]!) < limit)) throw outOfRange(source, scheme, values[i]!, limit);
  }
}

function limitOf(scheme: WeightScheme): number {
  if (scheme.kind !== 'float') return QUANTIZED_OVERFLOW;
  return scheme.bits === 16 ? FLOAT16_OVERFLOW : Number.POSITIVE_INFINITY;
}

function outOfRange(
  { name, file }: StoredTensor,
  scheme: WeightScheme,
  value: number,
  limit: number,
): CheckpointError {
  const details = { file, tensor: name, value: String(value) };
  if (!Number.isFinite(value))
    return new CheckpointError(
      'INHOUSE_TENSOR_NOT_FINITE',
      `${file}: ${name} holds ${value}. The checkpoint is damaged, or its training diverged; no precision can use it.`,
      { details },
    );
  const format = scheme.kind === 'float' ? 'float16' : 'quantized weights';
  return new CheckpointError(
    'INHOUSE_TENSOR_OVERFLOW',
    `${file}: ${name} holds ${value}, too large for ${format} (below ${limit}). Keep this tensor in fp32.`,
    { details: { ...details, limit } },
  );
}

function writeParts({ file, offsets }: BandTask, parts: Parts): number {
  const descriptor = openSync(file, 'r+');
  try {
    let writtenBytes = 0;
    for (const [part, { buffer, byteOffset, byteLength }] of Object.entries(parts)) {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      const offset = offsets[part as Part]!;
      for (let done = 0; done < byteLength; ) {
        done += writeSync(descriptor, bytes, done, byteLength - done, offset + done);
      }
      writtenBytes += byteLength;
    }
    return writtenBytes;
  } finally {
    closeSync(descriptor);
  }
}
