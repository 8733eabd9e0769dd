// Turns a prepared, quantized model back into a checkpoint of float64 weights, for the reference to run on. It decodes the
// weights file one number at a time, by the formulas of docs/graph.md, and shares no arithmetic with src/.
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Checkpoint } from '#inhouse/checkpoint/checkpoint.js';
import { DataType } from '#inhouse/graph/onnx-format.js';
import { type PrecisionSpec, weightSchemes } from '#inhouse/graph/precision.js';
import type { PreparedModel } from '#inhouse/graph/prepare.js';
import { planWeightsFile, type StoredWeight } from '#inhouse/graph/quantize/weights-file.js';
import { bfloatToDouble, halfToDouble } from './reference-tensors.js';
import { type TensorToWrite, writeSafetensors } from './safetensors-writer.js';

/** Writes `config.json` and `model.safetensors` (F32) to `folder`; `prepared` must have a weights file of its own. */
export function writeDequantized(
  folder: string,
  checkpoint: Checkpoint,
  prepared: PreparedModel,
  precision: PrecisionSpec,
): string {
  const schemes = weightSchemes(precision, checkpoint.config);
  const { weights } = planWeightsFile(checkpoint.tensors, schemes, 'weights.bin');
  const file = readFileSync(join(prepared.weightsFolder, 'weights.bin'));
  const tensors = [...checkpoint.tensors].map(([name, { shape }]): TensorToWrite => {
    const data = decode(file, weights.get(name)!, shape, name.startsWith('h.'));
    return { name, dtype: 'F32', shape, data };
  });
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(checkpoint.folder, 'config.json'), join(folder, 'config.json'));
  writeSafetensors(join(folder, 'model.safetensors'), tensors);
  return folder;
}

/** All weights of one tensor in the checkpoint's own order; a matrix of a layer lies transposed in blocks. */
function decode(
  file: Buffer,
  weight: StoredWeight,
  shape: readonly number[],
  transposed: boolean,
): Float32Array {
  const { scheme, data, scales, zeroPoints } = weight;
  const columns = shape.at(-1)!;
  const scale = (i: number) =>
    scales!.dtype === DataType.bfloat16
      ? bfloatToDouble(file.readUInt16LE(scales!.offset + 2 * i))
      : file.readFloatLE(scales!.offset + 4 * i);
  const valueAt = (row: number, column: number): number => {
    const i = row * columns + column;
    if (scheme.kind === 'channel') return file.readInt8(data.offset + i) * scale(column);
    if (scheme.kind === 'float')
      return scheme.bits === 32
        ? file.readFloatLE(data.offset + 4 * i)
        : halfToDouble(file.readUInt16LE(data.offset + 2 * i));
    const [output, input] = transposed ? [column, row] : [row, column];
    const { bits, block } = scheme;
    const blocks = data.shape[1]!;
    const at = Math.floor(input / block);
    const field = (offset: number, index: number) =>
      bits === 8
        ? file[offset + index]!
        : (file[offset + Math.floor(index / 2)]! >> (index % 2 === 0 ? 0 : 4)) & 15;
    const code = field(data.offset + ((output * blocks + at) * block * bits) / 8, input % block);
    const zero = zeroPoints
      ? field(zeroPoints.offset + output * Math.ceil((blocks * bits) / 8), at)
      : 2 ** (bits - 1);
    return (code - zero) * scale(output * blocks + at);
  };
  const rows = shape.length === 1 ? 1 : shape[0]!;
  return Float32Array.from({ length: rows * columns }, (_, i) =>
    valueAt(Math.floor(i / columns), i % columns),
  );
}
