// Block-wise quantization: neighbouring weights of one output share a scale and a zero point.
//
// The layout is that of ONNX Runtime's MatMulNBits and, for tables, GatherBlockQuantized (docs/graph.md): codes and zero
// points are packed with the low bits first, and a row's last block is filled up with codes that mean zero.
import { BlockGrid, type BlockwiseScheme } from './block-grid.js';

export interface QuantizedBlocks {
  readonly data: Uint8Array; // [rows, kb, block * bits / 8], kb = ceil(columns / block)
  readonly scales: Float32Array; // [rows, kb]; at 4 bits, numbers that bfloat16 holds
  /** Absent where symmetric: every zero point is 2^(bits - 1). */
  readonly zeroPoints?: Uint8Array; // [rows, ceil(kb * bits / 8)]
}

/** Quantizes values [rows, columns], all finite. */
export function quantizeBlockwise(
  values: Float32Array,
  rows: number,
  columns: number,
  scheme: BlockwiseScheme,
): QuantizedBlocks {
  const { bits, block, symmetric, method } = scheme;
  const blocks = Math.ceil(columns / block);
  const data = new Uint8Array((rows * blocks * block * bits) / 8);
  const scales = new Float32Array(rows * blocks);
  const zeroPoints = symmetric ? undefined : new Uint8Array(rows * Math.ceil((blocks * bits) / 8));
  const grid = new BlockGrid(scheme);
  const codes = new Uint8Array(block);

  for (let row = 0; row < rows; row++) {
    for (let b = 0; b < blocks; b++) {
      const from = row * columns + b * block;
      const to = Math.min(from + block, (row + 1) * columns);
      grid.choose(method, values, from, to);
      codes.fill(grid.zeroPoint, to - from);
      for (let i = from; i < to; i++) codes[i - from] = grid.code(values[i]!);

      const index = row * blocks + b;
      scales[index] = grid.scale;
      pack(data, (index * block * bits) / 8, codes, bits);
      if (zeroPoints) putZeroPoint(zeroPoints, row * Math.ceil((blocks * bits) / 8), b, grid.zeroPoint, bits);
    }
  }
  return zeroPoints ? { data, scales, zeroPoints } : { data, scales };
}

/** The values [rows, columns] that the quantized ones stand for, as float32 arithmetic gives them. */
export function dequantizeBlockwise(
  { data, scales, zeroPoints }: QuantizedBlocks,
  rows: number,
  columns: number,
  { bits, block }: Pick<BlockwiseScheme, 'bits' | 'block'>,
): Float32Array {
  const blocks = Math.ceil(columns / block);
  const zeroPointBytes = Math.ceil((blocks * bits) / 8);
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const b = Math.floor(column / block);
      const code = codeAt(data, row * blocks * block + column, bits);
      const zeroPoint = zeroPoints
        ? codeAt(zeroPoints.subarray(row * zeroPointBytes), b, bits)
        : 2 ** (bits - 1);
      values[row * columns + column] = (code - zeroPoint) * scales[row * blocks + b]!;
    }
  }
  return values;
}

function pack(data: Uint8Array, at: number, codes: Uint8Array, bits: 4 | 8): void {
  if (bits === 8) data.set(codes, at);
  else for (let i = 0; i < codes.length; i += 2) data[at + i / 2] = codes[i]! | (codes[i + 1]! << 4);
}

function putZeroPoint(zeroPoints: Uint8Array, row: number, b: number, zeroPoint: number, bits: 4 | 8): void {
  if (bits === 8) zeroPoints[row + b] = zeroPoint;
  else zeroPoints[row + (b >> 1)]! |= zeroPoint << (4 * (b & 1));
}

function codeAt(packed: Uint8Array, index: number, bits: 4 | 8): number {
  return bits === 8 ? packed[index]! : (packed[index >> 1]! >> (4 * (index & 1))) & 15;
}
