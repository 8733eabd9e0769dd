import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { readSafetensorsHeader, readTensor } from '#inhouse/checkpoint/safetensors.js';
import type { WeightScheme } from '#inhouse/graph/precision.js';
import { toBfloat16 } from '#inhouse/graph/quantize/bfloat16.js';
import { type QuantizedBlocks, quantizeBlockwise } from '#inhouse/graph/quantize/blockwise.js';
import { quantizeChannel } from '#inhouse/graph/quantize/channel.js';
import { toFloat16 } from '#inhouse/graph/quantize/float16.js';
import { type QuantizeProgress, quantizeCheckpoint } from '#inhouse/graph/quantize/quantize-checkpoint.js';
import type { Part } from '#inhouse/graph/quantize/worker.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../../support/random-checkpoint.js';
import { writeSafetensors } from '../../support/safetensors-writer.js';

const INT4: WeightScheme = { kind: 'blockwise', bits: 4, block: 32, symmetric: false, method: 'fit' };
const INT8: WeightScheme = { kind: 'blockwise', bits: 8, block: 64, symmetric: true, method: 'round' };
const CHANNEL: WeightScheme = { kind: 'channel', bits: 8 };
const FLOAT16: WeightScheme = { kind: 'float', bits: 16 };
const SCHEMES = new Map<string, WeightScheme>([
  ['wte.weight', INT4],
  ['wpe.weight', FLOAT16],
  ['h.0.attn.c_attn.weight', INT4],
  ['h.0.attn.c_proj.weight', CHANNEL],
  ['h.0.mlp.c_fc.weight', INT8],
]);

/** The token embedding is wider than one band, so that it is written by several tasks. */
const MODEL: RandomCheckpoint = {
  seed: 5,
  layers: 1,
  heads: 5,
  headSize: 8,
  vocabularySize: 30_000,
  contextLength: 16,
  activation: 'gelu_new',
  dtype: 'BF16',
  prefix: true,
};

let folder: string;
let checkpoint: Checkpoint;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'inhouse-quantize-'));
  checkpoint = await openCheckpoint(writeRandomCheckpoint(join(folder, 'model'), MODEL));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Quantizes a file of one matrix of two rows and two columns. */
async function quantizeOne(data: readonly number[], scheme: WeightScheme): Promise<unknown> {
  const name = 'h.0.mlp.c_fc.weight';
  const source = join(folder, 'one.safetensors');
  writeSafetensors(source, [{ name, dtype: 'F32', shape: [2, 2], data }]);
  const tensors = new Map((await readSafetensorsHeader(source)).map((tensor) => [tensor.name, tensor]));
  const file = join(folder, 'one-matrix.bin');
  return quantizeCheckpoint({ tensors }, new Map([[name, scheme]]), file, { workers: 1 });
}

const bytesOf = (array: ArrayBufferView) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);

describe('quantizeCheckpoint', () => {
  it('writes every tensor where it says, as the quantizers of one tensor would', async () => {
    const file = join(folder, 'one.bin');
    const weights = await quantizeCheckpoint(checkpoint, SCHEMES, file, { workers: 2 });
    const written = readFileSync(file);
    const expectParts = (name: string, parts: Readonly<Partial<Record<Part, ArrayBufferView>>>) => {
      for (const part of ['data', 'scales', 'zeroPoints'] as const) {
        const [at, expected] = [weights.get(name)![part], parts[part]];
        expect(at?.byteLength, `${name} ${part}`).toBe(expected?.byteLength);
        if (!at || !expected) continue;
        const found = written.subarray(at.offset, at.offset + at.byteLength);
        expect(found.equals(bytesOf(expected)), `${name} ${part}`).toBe(true);
      }
    };
    const values = (name: string) => readTensor(checkpoint.tensors.get(name)!);

    /** At 4 bits scales are stored as bfloat16. */
    const stored = ({ scales, ...parts }: QuantizedBlocks) => ({ ...parts, scales: toBfloat16(scales) });

    expectParts('wte.weight', stored(quantizeBlockwise(await values('wte.weight'), 30_000, 40, INT4)));
    const conv = await values('h.0.attn.c_attn.weight'); // [40, 120]: inputs by outputs
    const rows = Float32Array.from(conv, (_, at) => conv[(at % 40) * 120 + Math.floor(at / 40)]!);
    expectParts('h.0.attn.c_attn.weight', stored(quantizeBlockwise(rows, 120, 40, INT4)));
    expectParts('h.0.attn.c_proj.weight', quantizeChannel(await values('h.0.attn.c_proj.weight'), 40, 40));
    expectParts('wpe.weight', { data: toFloat16(await values('wpe.weight')) });
    for (const name of ['ln_f.bias', 'h.0.mlp.c_proj.weight', 'h.0.attn.c_attn.bias'])
      expectParts(name, { data: await values(name) });
  });

  it('aligns every part and describes it', async () => {
    const file = join(folder, 'described.bin');
    const weights = await quantizeCheckpoint(checkpoint, SCHEMES, file, { workers: 1 });
    expect([...weights.keys()]).toEqual([...checkpoint.tensors.keys()]);
    const parts = [...weights.values()].flatMap(({ data, scales, zeroPoints }) => [data, scales, zeroPoints]);
    for (const part of parts) if (part) expect(part.offset % 64).toBe(0);
    const { data, scales, zeroPoints, scheme } = weights.get('wte.weight')!;
    expect(scheme).toBe(INT4);
    expect(data).toMatchObject({ location: 'described.bin', shape: [30_000, 2, 16] });
    expect(scales).toMatchObject({ shape: [30_000, 2] });
    expect(zeroPoints).toMatchObject({ shape: [30_000, 1] });
  });

  it('writes the same bytes with 1, 2 and 5 threads', async () => {
    const files = await Promise.all(
      [1, 2, 5].map(async (workers) => {
        const file = join(folder, `${workers}.bin`);
        await quantizeCheckpoint(checkpoint, SCHEMES, file, { workers });
        return readFileSync(file);
      }),
    );
    expect(files[1]!.equals(files[0]!)).toBe(true);
    expect(files[2]!.equals(files[0]!)).toBe(true);
  });

  it('counts up to all bytes as it goes', async () => {
    const seen: QuantizeProgress[] = [];
    const onProgress = (progress: QuantizeProgress) => seen.push(progress);
    await quantizeCheckpoint(checkpoint, SCHEMES, join(folder, 'progress.bin'), { workers: 2, onProgress });
    const written = seen.map(({ writtenBytes }) => writtenBytes);
    expect(written).toEqual([...written].sort((a, b) => a - b));
    expect(new Set(seen.map(({ totalBytes }) => totalBytes)).size).toBe(1);
    expect(written.at(-1)).toBe(seen[0]!.totalBytes);
    expect(seen.length).toBeGreaterThanOrEqual(checkpoint.tensors.size);
  });

  it('rejects with the reason of the signal, before it starts and in the middle', async () => {
    const reason = new Error('enough');
    const file = join(folder, 'aborted.bin');
    const early = quantizeCheckpoint(checkpoint, SCHEMES, file, { signal: AbortSignal.abort(reason) });
    await expect(early).rejects.toBe(reason);

    const stop = new AbortController();
    let calls = 0;
    const onProgress = () => {
      if (++calls === 3) stop.abort(reason);
    };
    const late = quantizeCheckpoint(checkpoint, SCHEMES, file, {
      workers: 2,
      signal: stop.signal,
      onProgress,
    });
    await expect(late).rejects.toBe(reason);
    const [callsThen, bytesThen] = [calls, readFileSync(file)];
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(calls).toBe(callsThen); // the threads have ended
    expect(readFileSync(file).equals(bytesThen)).toBe(true);
  });

  it.each([Number.NaN, Infinity, -Infinity])('refuses %s, naming the tensor', async (value) => {
    await expect(quantizeOne([1, value, 3, 4], INT4)).rejects.toMatchObject({
      name: 'CheckpointError',
      code: 'INHOUSE_TENSOR_NOT_FINITE',
      message: expect.stringContaining('h.0.mlp.c_fc.weight'),
      details: { tensor: 'h.0.mlp.c_fc.weight', value: String(value) },
    });
  });

  it.each([
    ['float16', FLOAT16, 65_519, 65_520],
    ['block-wise', INT8, 1.7e38, 1.8e38],
    ['per channel', CHANNEL, -1.7e38, -1.8e38],
    ['float32', { kind: 'float', bits: 32 } as const, 3e38, Infinity],
  ])('%s takes what it can hold and no more', async (_, scheme, taken, refused) => {
    await expect(quantizeOne([1, taken, 3, 4], scheme)).resolves.toBeDefined();
    await expect(quantizeOne([1, refused, 3, 4], scheme)).rejects.toMatchObject({
      code: Number.isFinite(refused) ? 'INHOUSE_TENSOR_OVERFLOW' : 'INHOUSE_TENSOR_NOT_FINITE',
    });
  });

  it.skipIf(process.platform !== 'linux')('keeps the code of the system when the disk fills up', async () => {
    const file = join(folder, 'full.bin');
    const onProgress = () => {
      symlinkSync('/dev/full', `${file}.next`);
      renameSync(`${file}.next`, file); // what follows finds no space, and always a file
    };
    const quantizing = quantizeCheckpoint(checkpoint, SCHEMES, file, { workers: 1, onProgress });
    await expect(quantizing).rejects.toMatchObject({ code: 'ENOSPC' });
  });

  it('passes on what the system says of a file that cannot be written', async () => {
    await expect(
      quantizeCheckpoint(checkpoint, SCHEMES, join(folder, 'no', 'such', 'folder.bin')),
    ).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
