// The graphs for GPUs, run by the CPU's kernels of the same operators: the model they compute, however it is cut into
// steps, what they put out, and what they are made of.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Checkpoint, openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { type PrecisionSpec, precisionLabel } from '#inhouse/graph/precision.js';
import { type PreparedModel, prepareModel } from '#inhouse/graph/prepare.js';
import { largestDifference } from '../runtime/contract/harness.js';
import { writeDequantized } from '../support/dequantized-checkpoint.js';
import { GraphSession } from '../support/graph-session.js';
import { readOnnx } from '../support/onnx-reader.js';
import { Random } from '../support/random.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../support/random-checkpoint.js';
import { logSoftmax, ReferenceGpt2 } from '../support/reference-gpt2.js';

const SHAPE: RandomCheckpoint = {
  seed: 21,
  layers: 3,
  heads: 4,
  headSize: 32,
  vocabularySize: 700,
  contextLength: 96,
  activation: 'gelu_new',
  dtype: 'F32',
  prefix: true,
};
/** Blocks do not divide these widths, the head is a matrix of its own, and there are few tokens to choose from. */
const ODD: RandomCheckpoint = {
  ...SHAPE,
  heads: 3,
  headSize: 24,
  innerWidth: 201,
  vocabularySize: 50,
  tied: false,
  activation: 'gelu',
  dtype: 'BF16',
};

/**
 * Largest difference from the float64 reference over the stored weights. Float16 has 11 significant bits, and logits and
 * hidden states of these models reach 8. Seen: 5e-6 and 0.01.
 */
const TOLERANCE = { float32: 3e-5, float16: 0.025 };

const PRECISIONS: readonly PrecisionSpec[] = [
  'fp32',
  'fp16',
  'int8',
  'int4',
  { default: 'fp32', 'h.*': 'int8' },
  { default: 'int4', lm_head: 'fp16', 'h.0.*': 'fp32' },
];

const cases = [SHAPE, ODD].flatMap((shape) =>
  PRECISIONS.map((precision) => ({
    shape,
    precision,
    title: `${precisionLabel(precision)}, width ${shape.heads * shape.headSize}`,
  })),
);

describe.each(cases)('the graph for a GPU at $title', ({ shape, precision }) => {
  const folder = mkdtempSync(join(tmpdir(), 'inhouse-device-graph-'));
  const isFloat32 = (typeof precision === 'string' ? precision : precision.default) === 'fp32';
  const elementType = isFloat32 ? 'float32' : 'float16';
  const tolerance = TOLERANCE[elementType];
  const headIsQuantized = precision === 'int8' || precision === 'int4';
  const candidates = Math.min(64, shape.vocabularySize);
  let checkpoint: Checkpoint;
  let prepared: PreparedModel;
  let reference: ReferenceGpt2;

  beforeAll(async () => {
    checkpoint = await openCheckpoint(writeRandomCheckpoint(join(folder, 'checkpoint'), shape));
    prepared = await prepareModel(checkpoint, join(folder, 'home'), { precision, device: 'cuda' });
    reference = ReferenceGpt2.open(
      precision === 'fp32'
        ? checkpoint.folder
        : writeDequantized(join(folder, 'dequantized'), checkpoint, prepared, precision),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const tokens = (count: number, seed: number) => new Random(seed).tokens(count, shape.vocabularySize);

  /** A session for the time of a test. */
  const withSession = async (rows: number, test: (session: GraphSession) => Promise<void>) => {
    const session = await GraphSession.open(checkpoint.config, prepared, { rows, capacity: 64 });
    await test(session).finally(() => session.release());
  };

  it('computes the model', () =>
    withSession(1, async (session) => {
      const ids = tokens(40, 1);
      const { logits, hidden } = await session.step(0, [ids]);
      for (const [i, expected] of reference.logits(ids).entries()) {
        expect(largestDifference(logits[i]!, expected)).toBeLessThan(tolerance);
      }
      for (const [i, expected] of reference.hidden(ids).entries()) {
        expect(largestDifference(hidden[i]!, expected)).toBeLessThan(tolerance);
      }
    }));

  it('computes the same in chunks, and then row by row where rows have different pasts', () =>
    withSession(3, async (session) => {
      const rows = [30, 7, 50].map((length, row) => tokens(length, 10 + row));
      for (const [row, ids] of rows.entries()) {
        const cut = Math.floor(ids.length / 3);
        await session.step(row, [ids.slice(0, cut)]);
        await session.step(row, [ids.slice(cut)]);
      }
      for (let step = 0; step < 5; step++) {
        const next = rows.map((_, row) => tokens(1, 100 * step + row));
        const { logits } = await session.step(0, next);
        for (const [row, ids] of rows.entries()) {
          ids.push(...next[row]!);
          const expected = reference.logits(ids).at(-1)!;
          expect(largestDifference(logits[row]!, expected)).toBeLessThan(tolerance);
        }
      }
    }));

  it('puts out the largest logits, and how probable the first of them is', () =>
    withSession(1, async (session) => {
      const { logits, topIds, topLogits, topLogprob } = await session.step(0, [tokens(20, 3)]);
      for (const [i, row] of logits.entries()) {
        const ids = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, candidates);
        expect([...topIds[i]!]).toEqual(ids);
        expect([...topLogits[i]!]).toEqual(ids.map((id) => row[id]!));
        expect(Math.abs(topLogprob[i]! - logSoftmax(row)[ids[0]!]!)).toBeLessThan(1e-5);
      }
    }));

  it('says what a runner must know', () => {
    expect(prepared).toMatchObject({
      precision: precisionLabel(precision),
      computeType: elementType,
      kv: { layout: isFloat32 ? 'width' : 'heads', elementType },
      candidates,
    });
  });

  it('keeps everything between matrices, and the KV cache, in one type; puts out float32', () =>
    withSession(1, async ({ session }) => {
      const shapes = (metadata: typeof session.inputMetadata) =>
        Object.fromEntries(
          metadata.map((value) => [value.name, value.isTensor && [value.type, value.shape]]),
        );
      const { heads, headSize } = shape;
      const width = heads * headSize;
      const kv = (length: string) => [
        elementType,
        isFloat32 ? ['B', 'P', width] : ['B', heads, length, headSize],
      ];
      const layers = [0, 1, 2];
      const named = (prefix: string, value: unknown) =>
        layers.flatMap((layer) => ['key', 'value'].map((part) => [`${prefix}.${layer}.${part}`, value]));
      expect(shapes(session.inputMetadata)).toEqual({
        input_ids: ['int64', ['B', 'S']],
        position_ids: ['int64', ['B', 'S']],
        seqlens_k: ['int32', ['B']],
        total_sequence_length: ['int32', []],
        logits_index: ['int64', ['K']],
        ...Object.fromEntries(named('past_key_values', kv('P'))),
      });
      expect(shapes(session.outputMetadata)).toEqual({
        logits: ['float32', ['K', shape.vocabularySize]],
        hidden: ['float32', ['B', 'S', width]],
        ...Object.fromEntries(named('present', kv('T'))),
        top_ids: ['int32', ['K', candidates]],
        top_logits: ['float32', ['K', candidates]],
        top_logprob: ['float32', ['K', 1]],
      });
    }));

  it('is made of operators that the CUDA provider has', () => {
    const { opsets, nodes } = readOnnx(readFileSync(prepared.graphFile));
    expect(opsets).toEqual({ '': isFloat32 ? 24 : 17, 'com.microsoft': 1 });
    expect(nodes.map(({ opType }) => opType)).not.toEqual(
      expect.arrayContaining([expect.stringMatching(/^(Reduce|ArgMax|DynamicQuantize)/)]),
    );
    const attentions = nodes.filter(({ opType }) => opType.endsWith('Attention'));
    expect(attentions.map(({ opType }) => opType)).toEqual(
      Array.from({ length: 3 }, () => (isFloat32 ? 'Attention' : 'GroupQueryAttention')),
    );
    expect(nodes.some(({ opType }) => opType === 'Concat')).toBe(headIsQuantized); // 700 and 50 are no multiples of 8
    const products = nodes.filter(({ opType }) => opType === 'MatMulNBits');
    expect(products.flatMap(({ attributes }) => attributes)).not.toContain('accuracy_level');
  });
});

describe('prepared for both devices', () => {
  const folder = mkdtempSync(join(tmpdir(), 'inhouse-device-graph-'));
  const home = join(folder, 'home');
  let checkpoint: Checkpoint;
  beforeAll(async () => {
    checkpoint = await openCheckpoint(writeRandomCheckpoint(join(folder, 'checkpoint'), SHAPE));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['fp32', 'fp16', 'int8', 'int4'] as const)(
    'a model at %s has two graphs over the same weights, which are written once',
    async (precision) => {
      let written = 0;
      const onProgress = () => {
        written++;
      };
      const gpu = await prepareModel(checkpoint, home, { precision, device: 'cuda', onProgress });
      const writtenForGpu = written;
      const cpu = await prepareModel(checkpoint, home, { precision, onProgress });
      expect(written).toBe(writtenForGpu);
      expect(cpu).toMatchObject({ weightsFolder: gpu.weightsFolder, weightBytes: gpu.weightBytes });
      expect(cpu.graphFile).not.toBe(gpu.graphFile);
      expect(cpu).toMatchObject({ kv: { layout: 'heads', elementType: 'float32' }, candidates: 0 });
      expect(await prepareModel(checkpoint, home, { precision, device: 'cuda' })).toEqual(gpu);
      expect(await prepareModel(checkpoint, home, { precision })).toEqual(cpu);
    },
  );

  it.each(['int8-channel', { default: 'fp16', 'h.1.*': 'int8-channel' }] as const)(
    'a precision that GPUs have no kernels for is refused, and nothing is written: %j',
    async (precision) => {
      const untouched = join(folder, 'untouched');
      await expect(prepareModel(checkpoint, untouched, { precision, device: 'cuda' })).rejects.toMatchObject({
        code: 'INHOUSE_INVALID_OPTION',
        message: expect.stringContaining("'int8' in place of 'int8-channel'"),
      });
      expect(() => readFileSync(untouched)).toThrow(/ENOENT/);
    },
  );
});
