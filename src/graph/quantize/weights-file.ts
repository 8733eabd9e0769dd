// The plan of a weights file: which parts each tensor has, and where they lie. Shapes decide it; no weight is read.
//
// Parts follow one another in the order of the checkpoint, each at a multiple of 64 bytes; the gaps are zeros.
import type { StoredTensor } from '../../checkpoint/safetensors.js';
import { DataType } from '../onnx-format.js';
import type { WeightScheme } from '../precision.js';
import type { ExternalTensor } from '../writer.js';

/**
 * One tensor of the checkpoint as the weights file holds it. A matrix is [N, K], outputs by inputs; one that the
 * checkpoint stores as [in, out] is transposed unless said otherwise.
 * - float: `data` float32 or float16 in the checkpoint's own shape (not transposed).
 * - blockwise: `data` uint8 [N, kb, block * bits / 8], `scales` [N, kb] float32, or bfloat16 at 4 bits, `zeroPoints`
 *   uint8 [N, ceil(kb * bits / 8)] unless symmetric; kb = ceil(K / block).
 * - channel: `data` int8 [K, N] (not transposed), `scales` float32 [N]. For matrices stored as [in, out] only.
 */
export interface StoredWeight {
  readonly scheme: WeightScheme;
  readonly data: ExternalTensor;
  readonly scales?: ExternalTensor;
  readonly zeroPoints?: ExternalTensor;
}

export interface WeightsFile {
  readonly weights: ReadonlyMap<string, StoredWeight>;
  readonly sizeBytes: number;
}

const ALIGNMENT = 64; // bytes: a cache line, and the widest vector load
const FLOAT32: WeightScheme = { kind: 'float', bits: 32 };

/** Lays out a file called `location`. Tensors without a scheme are stored as float32. */
export function planWeightsFile(
  tensors: ReadonlyMap<string, Pick<StoredTensor, 'shape'>>,
  schemes: ReadonlyMap<string, WeightScheme>,
  location: string,
): WeightsFile {
  let end = 0;
  const place = (dtype: DataType, bytesPerElement: number, shape: readonly number[]): ExternalTensor => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    const byteLength = shape.reduce((bytes, size) => bytes * size, bytesPerElement);
    end = offset + byteLength;
    return { dtype, shape, location, offset, byteLength };
  };
  const float32 = (shape: readonly number[]) => place(DataType.float, 4, shape);

  const weights = new Map<string, StoredWeight>();
  for (const [name, { shape }] of tensors) {
    const scheme = schemes.get(name) ?? FLOAT32;
    if (scheme.kind === 'float') {
      const data = scheme.bits === 32 ? float32(shape) : place(DataType.float16, 2, shape);
      weights.set(name, { scheme, data });
    } else if (scheme.kind === 'channel') {
      weights.set(name, { scheme, data: place(DataType.int8, 1, shape), scales: float32([shape[1]!]) });
    } else {
      const [outputs, inputs] = isTransposed(name) ? [shape[1]!, shape[0]!] : [shape[0]!, shape[1]!];
      const blocks = Math.ceil(inputs / scheme.block);
      const data = place(DataType.uint8, 1, [outputs, blocks, (scheme.block * scheme.bits) / 8]);
      const scaleShape = [outputs, blocks];
      const scales = scheme.bits === 4 ? place(DataType.bfloat16, 2, scaleShape) : float32(scaleShape);
      const zeroPointShape = [outputs, Math.ceil((blocks * scheme.bits) / 8)];
      const zeroPoints = scheme.symmetric ? {} : { zeroPoints: place(DataType.uint8, 1, zeroPointShape) };
      weights.set(name, { scheme, data, scales, ...zeroPoints });
    }
  }
  return { weights, sizeBytes: end };
}

/** The matrices of a layer are stored as [in, out]; the embeddings and an untied head as [out, in]. */
export function isTransposed(name: string): boolean {
  return name.startsWith('h.');
}
