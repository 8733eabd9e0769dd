// That ONNX Runtime reads what the quantizers write as they mean it: graphs of one node, against the dequantized values.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ort from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataType } from '#inhouse/graph/onnx-format.js';
import { dequantizeBlockwise, quantizeBlockwise } from '#inhouse/graph/quantize/blockwise.js';
import { dequantizeChannel, quantizeChannel } from '#inhouse/graph/quantize/channel.js';
import { GraphWriter, MICROSOFT } from '#inhouse/graph/writer.js';
import { Random } from '../../support/random.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'inhouse-operators-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Constant = readonly [dtype: DataType, shape: readonly number[], data: ArrayBufferView];

/** Runs one node on x and constants that lie in a file, as weights do; returns its only output. */
async function runNode(
  opType: string,
  attributes: Readonly<Record<string, number>>,
  x: ort.Tensor,
  inputs: ReadonlyArray<Constant | 'x' | ''>,
): Promise<Float32Array> {
  const writer = new GraphWriter();
  const chunks: Uint8Array[] = [];
  let offset = 0;
  const names = inputs.map((input, index) => {
    if (typeof input === 'string') return input;
    const [dtype, shape, { buffer, byteOffset, byteLength }] = input;
    const name = writer.external(`constant.${index}`, {
      dtype,
      shape,
      location: 'weights.bin',
      offset,
      byteLength,
    });
    chunks.push(new Uint8Array(buffer, byteOffset, byteLength), new Uint8Array(-byteLength & 63));
    offset = Math.ceil((offset + byteLength) / 64) * 64;
    return name;
  });
  writer.input('x', x.type === 'int64' ? DataType.int64 : DataType.float, x.dims);
  writer.output('y', DataType.float, ['rows', 'columns']);
  writer.node(opType, names, ['y'], attributes, MICROSOFT);
  writeFileSync(join(folder, 'weights.bin'), Buffer.concat(chunks));
  const session = await ort.InferenceSession.create(writer.encode('one node'), {
    extra: { session: { model_external_initializers_file_folder_path: folder } },
  });
  const { y } = await session.run({ x });
  await session.release();
  return y!.data as Float32Array;
}

const random = new Random(9);
const normals = (count: number) => Float32Array.from({ length: count }, () => random.normal());

const FORMATS = ([16, 32, 64, 128, 256] as const).flatMap((block) =>
  ([4, 8] as const).flatMap((bits) => [true, false].map((symmetric) => ({ bits, block, symmetric }))),
);

describe.each(FORMATS)(
  '$bits bits, blocks of $block, symmetric: $symmetric',
  ({ bits, block, symmetric }) => {
    const [rows, N, K] = [3, 5, 200]; // K is no multiple of any block but 16's neighbours
    const blocks = Math.ceil(K / block);
    const weights = normals(N * K);
    const scheme = { kind: 'blockwise', bits, block, symmetric, method: 'fit' } as const;
    const quantized = quantizeBlockwise(weights, N, K, scheme);
    const dequantized = dequantizeBlockwise(quantized, N, K, scheme); // [N, K]
    const data = (shape: readonly number[]): Constant => [DataType.uint8, shape, quantized.data];
    const blob = (block * bits) / 8;
    const scales: Constant = [DataType.float, [N, blocks], quantized.scales];
    const zeroPoints: Constant[] = quantized.zeroPoints
      ? [[DataType.uint8, [N, Math.ceil((blocks * bits) / 8)], quantized.zeroPoints]]
      : [];

    it('MatMulNBits multiplies with the dequantized weights', async () => {
      const x = normals(rows * K);
      const y = await runNode(
        'MatMulNBits',
        { K, N, bits, block_size: block, accuracy_level: 1 },
        new ort.Tensor('float32', x, [rows, K]),
        ['x', data([N, blocks, blob]), scales, ...zeroPoints],
      );
      for (let row = 0; row < rows; row++) {
        for (let output = 0; output < N; output++) {
          let sum = 0;
          for (let k = 0; k < K; k++) sum += x[row * K + k]! * dequantized[output * K + k]!;
          expect(y[row * N + output]).toBeCloseTo(sum, 3); // sums of 200 products of normals, in float32
        }
      }
    });

    it('GatherBlockQuantized looks up the dequantized rows, bit for bit', async () => {
      const ids = new ort.Tensor('int64', BigInt64Array.of(4n, 0n, 2n), [3]);
      const y = await runNode(
        'GatherBlockQuantized',
        { bits, block_size: block, gather_axis: 0, quantize_axis: 1 },
        ids,
        [data([N, blocks * blob]), 'x', scales, ...zeroPoints],
      );
      const width = blocks * block; // the filled-up last block comes with it
      [4, 0, 2].forEach((id, at) => {
        expect(y.slice(at * width, at * width + K)).toEqual(dequantized.slice(id * K, (id + 1) * K));
        expect([...y.slice(at * width + K, (at + 1) * width)].every((value) => value === 0)).toBe(true);
      });
    });
  },
);

describe('per channel', () => {
  it('DynamicQuantizeMatMul multiplies with the dequantized weights', async () => {
    const [rows, N, K] = [3, 7, 48];
    const weights = normals(K * N);
    const quantized = quantizeChannel(weights, K, N);
    const dequantized = dequantizeChannel(quantized); // [K, N]
    // Whole numbers from -128 to 127 are what 8 bits hold, so that rounding the input loses nothing.
    const x = Float32Array.from({ length: rows * K }, (_, i) =>
      i === 0 ? -128 : i === 1 ? 127 : random.integer(-3, 3),
    );
    const y = await runNode('DynamicQuantizeMatMul', {}, new ort.Tensor('float32', x, [rows, K]), [
      'x',
      [DataType.int8, [K, N], quantized.data],
      [DataType.float, [N], quantized.scales],
    ]);
    for (let row = 0; row < rows; row++) {
      for (let output = 0; output < N; output++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += x[row * K + k]! * dequantized[k * N + output]!;
        expect(y[row * N + output]).toBeCloseTo(sum, 2);
      }
    }
  });
});
