// Opening a checkpoint folder: which files it may have, which tensors, and what is wrong when it is refused.
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '#inhouse/checkpoint/checkpoint.js';
import { readTensor } from '#inhouse/checkpoint/safetensors.js';
import { CheckpointError, type InhouseError } from '#inhouse/errors.js';
import {
  type TensorToWrite,
  type WritableDtype,
  writeRawSafetensors,
  writeSafetensors,
} from '../support/safetensors-writer.js';
import { sharedData } from '../support/shared-data.js';

// Two layers, 2 heads of 8, inner width 24: every dimension differs, so that no wrong shape passes by chance.
const config = {
  model_type: 'gpt2',
  n_layer: 2,
  n_head: 2,
  n_embd: 16,
  n_inner: 24,
  n_positions: 6,
  vocab_size: 11,
  bos_token_id: 10,
  eos_token_id: 10,
};
const layerShapes: Readonly<Record<string, readonly number[]>> = {
  'ln_1.weight': [16],
  'ln_1.bias': [16],
  'attn.c_attn.weight': [16, 48],
  'attn.c_attn.bias': [48],
  'attn.c_proj.weight': [16, 16],
  'attn.c_proj.bias': [16],
  'ln_2.weight': [16],
  'ln_2.bias': [16],
  'mlp.c_fc.weight': [16, 24],
  'mlp.c_fc.bias': [24],
  'mlp.c_proj.weight': [24, 16],
  'mlp.c_proj.bias': [16],
};
const shapes: Readonly<Record<string, readonly number[]>> = {
  'wte.weight': [11, 16],
  'wpe.weight': [6, 16],
  ...Object.fromEntries(
    [0, 1].flatMap((layer) =>
      Object.entries(layerShapes).map(([name, shape]) => [`h.${layer}.${name}`, shape]),
    ),
  ),
  'ln_f.weight': [16],
  'ln_f.bias': [16],
};
const parameterCount =
  11 * 16 + 6 * 16 + 2 * (4 * 16 + 16 * 48 + 48 + 16 * 16 + 16 + 2 * 16 * 24 + 24 + 16) + 2 * 16;

let folder: string;

beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'inhouse-checkpoint-')));
  writeConfig();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function writeConfig(changes: Record<string, unknown> = {}): void {
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, ...changes }));
}

function tensor(name: string, shape: readonly number[], dtype: WritableDtype = 'F32'): TensorToWrite {
  const length = shape.reduce((product, size) => product * size, 1);
  return { name, dtype, shape, data: Array.from({ length }, (_, index) => index % 7) };
}

/** The tensors of a complete checkpoint, in a map that a test may change before it is written. */
function modelTensors(prefix = '', dtype: WritableDtype = 'F32'): Map<string, TensorToWrite> {
  return new Map(Object.entries(shapes).map(([name, shape]) => [name, tensor(prefix + name, shape, dtype)]));
}

function writeWeights(tensors: Iterable<TensorToWrite>, file = 'model.safetensors'): void {
  writeSafetensors(join(folder, file), [...tensors]);
}

async function failure(path = folder): Promise<InhouseError> {
  const error: unknown = await openCheckpoint(path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return error as InhouseError;
}

describe('a checkpoint', () => {
  it.each([
    ['', 'F32', 4],
    ['transformer.', 'F32', 4],
    ['transformer.', 'F16', 2],
    ['', 'BF16', 2],
  ] as const)('opens with names prefixed by "%s", stored as %s', async (prefix, dtype, elementBytes) => {
    writeWeights(modelTensors(prefix, dtype).values());
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint).toMatchObject({
      folder,
      config: { layers: 2, heads: 2, width: 16, innerWidth: 24, tiedEmbeddings: true },
      tokenizerFile: undefined,
      parameterCount,
      weightBytes: parameterCount * elementBytes,
    });
    expect([...checkpoint.tensors.keys()]).toEqual(Object.keys(shapes));
    for (const [name, stored] of checkpoint.tensors)
      expect(stored).toMatchObject({ name: prefix + name, dtype, shape: shapes[name] });
    const values = await readTensor(checkpoint.tensors.get('wpe.weight')!);
    expect(values).toEqual(Float32Array.from({ length: 6 * 16 }, (_, index) => index % 7));
  });

  it('may mix prefixes and dtypes from tensor to tensor', async () => {
    const tensors = modelTensors();
    tensors.set('wpe.weight', tensor('transformer.wpe.weight', [6, 16], 'BF16'));
    writeWeights(tensors.values());
    const stored = (await openCheckpoint(folder)).tensors.get('wpe.weight');
    expect(stored).toMatchObject({ name: 'transformer.wpe.weight', dtype: 'BF16' });
  });

  it('has its mask buffers and a tied head ignored, whatever their dtype and shape', async () => {
    const extra = [
      tensor('h.0.attn.bias', [1, 1, 6, 6], 'BOOL'),
      tensor('transformer.h.0.attn.bias', [1, 1, 6, 6], 'BOOL'),
      tensor('transformer.h.1.attn.masked_bias', [], 'F64'),
      tensor('lm_head.weight', [1], 'U8'),
    ];
    writeWeights([...modelTensors().values(), ...extra]);
    const checkpoint = await openCheckpoint(folder);
    expect([...checkpoint.tensors.keys()]).toEqual(Object.keys(shapes));
    expect(checkpoint.weightBytes).toBe(parameterCount * 4);
  });

  it('has a head of its own where the embeddings are not tied', async () => {
    writeConfig({ tie_word_embeddings: false });
    writeWeights([...modelTensors('transformer.').values(), tensor('lm_head.weight', [11, 16])]);
    const checkpoint = await openCheckpoint(folder);
    expect([...checkpoint.tensors.keys()]).toEqual([...Object.keys(shapes), 'lm_head.weight']);
    expect(checkpoint.parameterCount).toBe(parameterCount + 11 * 16);
  });

  it('says where its tokenizer is, if it has one', async () => {
    writeWeights(modelTensors().values());
    writeFileSync(join(folder, 'tokenizer.json'), '{}');
    expect((await openCheckpoint(folder)).tokenizerFile).toBe(join(folder, 'tokenizer.json'));
  });

  it('of symbolic links, as in the hub cache, is known by its real paths', async () => {
    writeWeights(modelTensors().values(), 'blob');
    symlinkSync('blob', join(folder, 'model.safetensors'));
    const link = `${folder}-link`;
    symlinkSync(folder, link);
    try {
      const checkpoint = await openCheckpoint(link);
      expect(checkpoint.folder).toBe(folder);
      expect(checkpoint.tensors.get('wte.weight')?.file).toBe(join(folder, 'blob'));
    } finally {
      rmSync(link);
    }
  });
});

describe('a sharded checkpoint', () => {
  const [firstShard, secondShard] = [
    'model-00001-of-00002.safetensors',
    'model-00002-of-00002.safetensors',
  ] as const;

  /** Layer 1 in the second shard, everything else in the first. */
  function shardOf(name: string): string {
    return name.startsWith('h.1.') ? secondShard : firstShard;
  }

  function writeShards(extra: Readonly<Record<string, readonly TensorToWrite[]>> = {}): void {
    const tensors = [...modelTensors().values()];
    for (const shard of [firstShard, secondShard])
      writeWeights(
        [...tensors.filter(({ name }) => shardOf(name) === shard), ...(extra[shard] ?? [])],
        shard,
      );
  }

  function writeIndex(changes: Record<string, unknown> = {}): void {
    const weightMap = Object.fromEntries(Object.keys(shapes).map((name) => [name, shardOf(name)]));
    writeIndexFile({ metadata: { total_size: 1 }, weight_map: { ...weightMap, ...changes } });
  }

  function writeIndexFile(index: unknown): void {
    writeFileSync(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  }

  it('opens as one model', async () => {
    writeShards();
    writeIndex();
    const checkpoint = await openCheckpoint(folder);
    expect([...checkpoint.tensors.keys()]).toEqual(Object.keys(shapes));
    expect(checkpoint.tensors.get('h.0.ln_1.bias')?.file).toBe(join(folder, firstShard));
    expect(checkpoint.tensors.get('h.1.ln_1.bias')?.file).toBe(join(folder, secondShard));
    expect(checkpoint.parameterCount).toBe(parameterCount);
  });

  it('is not looked at where there is a single file', async () => {
    writeWeights(modelTensors().values());
    writeIndexFile('broken');
    expect((await openCheckpoint(folder)).parameterCount).toBe(parameterCount);
  });

  it('is refused when a shard is missing', async () => {
    writeShards();
    writeIndex();
    rmSync(join(folder, secondShard));
    const error = await failure();
    expect(error.code).toBe('INHOUSE_CHECKPOINT_FILE_MISSING');
    expect(error.message).toContain(join(folder, secondShard));
  });

  it('is refused when a tensor is not in the shard it is mapped to', async () => {
    writeShards();
    writeIndex({ 'wte.weight': secondShard, 'h.9.ln_1.bias': firstShard });
    const error = await failure();
    expect(error).toMatchObject({
      code: 'INHOUSE_TENSOR_MISSING',
      details: { missing: ['wte.weight', 'h.9.ln_1.bias'] },
    });
    expect(error.message).toContain(`wte.weight in ${secondShard}, h.9.ln_1.bias in ${firstShard}`);
  });

  it('is refused when two shards hold the same tensor', async () => {
    writeShards({ [secondShard]: [tensor('transformer.wpe.weight', [6, 16])] });
    writeIndex();
    const error = await failure();
    expect(error.code).toBe('INHOUSE_TENSOR_DUPLICATE');
    for (const part of ['wpe.weight', 'transformer.wpe.weight', firstShard, secondShard])
      expect(error.message).toContain(part);
  });

  it('is refused when a shard is broken', async () => {
    writeShards();
    writeIndex();
    writeRawSafetensors(join(folder, secondShard), { header: 'nonsense' });
    const error = await failure();
    expect(error.code).toBe('INHOUSE_SAFETENSORS_HEADER');
    expect(error.message).toContain(secondShard);
  });

  it.each([
    '../outside.safetensors',
    '/etc/passwd',
    'sub/x.safetensors',
    'sub\\x',
    'C:x',
    '..',
    '.',
    '',
    'a\0b',
    7,
    null,
  ])('is refused when its index leads to %j', async (shard) => {
    mkdirSync(join(folder, 'sub'));
    writeWeights(modelTensors().values(), 'sub/x.safetensors');
    writeShards();
    writeIndex({ 'wte.weight': shard });
    const error = await failure();
    expect(error.code).toBe('INHOUSE_SAFETENSORS_INDEX');
    expect(error.message).toContain(`wte.weight is mapped to ${JSON.stringify(shard)}`);
  });

  it.each([[null], ['text'], [[]], [{}], [{ weight_map: null }], [{ weight_map: ['wte.weight'] }]])(
    'is refused when its index is %j',
    async (index) => {
      writeIndexFile(index);
      const error = await failure();
      expect(error.code).toBe('INHOUSE_SAFETENSORS_INDEX');
      expect(error.message).toMatch(/index\.json: weight_map must be an object/);
    },
  );

  it('is refused when its index is not JSON', async () => {
    writeFileSync(join(folder, 'model.safetensors.index.json'), '{"weight_map":');
    const error = await failure();
    expect(error.code).toBe('INHOUSE_SAFETENSORS_INDEX');
    expect(error.message).toContain('is not JSON');
  });
});

describe('tensors that do not fit the config are refused', () => {
  it('when some are missing, naming the first few and how many', async () => {
    const tensors = modelTensors();
    for (const name of Object.keys(layerShapes)) tensors.delete(`h.1.${name}`);
    writeWeights(tensors.values());
    const error = await failure();
    expect(error.code).toBe('INHOUSE_TENSOR_MISSING');
    expect(error.message).toMatch(
      /h\.1\.ln_1\.weight, .*h\.1\.attn\.c_proj\.weight and 7 more \(12 in all\)/,
    );
    expect(error.details.missing).toEqual(Object.keys(layerShapes).map((name) => `h.1.${name}`));
  });

  it.each(Object.keys(shapes))('when %s is missing', async (name) => {
    const tensors = modelTensors('transformer.');
    tensors.delete(name);
    writeWeights(tensors.values());
    expect(await failure()).toMatchObject({ code: 'INHOUSE_TENSOR_MISSING', details: { missing: [name] } });
  });

  it('when the head is missing and the embeddings are not tied', async () => {
    writeConfig({ tie_word_embeddings: false });
    writeWeights(modelTensors().values());
    const error = await failure();
    expect(error).toMatchObject({ code: 'INHOUSE_TENSOR_MISSING', details: { missing: ['lm_head.weight'] } });
  });

  it.each([
    'h.2.ln_1.weight',
    'transformer.score.weight',
    'h.0.crossattention.c_attn.weight',
    'transformer.transformer.wte.weight',
    'h.0.attn.bias.extra',
  ])('when there is also %s', async (name) => {
    writeWeights([...modelTensors().values(), tensor(name, [16])]);
    const error = await failure();
    expect(error).toMatchObject({ code: 'INHOUSE_TENSOR_UNEXPECTED', details: { unexpected: [name] } });
    expect(error.message).toContain(name);
  });

  it('when a tensor is there with and without the prefix', async () => {
    writeWeights([...modelTensors().values(), tensor('transformer.ln_f.bias', [16])]);
    const error = await failure();
    expect(error.code).toBe('INHOUSE_TENSOR_DUPLICATE');
    expect(error.message).toMatch(/ln_f\.bias .*transformer\.ln_f\.bias /);
  });

  it.each(Object.entries(shapes))('when %s does not have the shape %j', async (name, shape) => {
    const wrong = [shape.map((size, axis) => (axis === 0 ? size + 1 : size)), [...shape, 1], shape.slice(1)];
    if (shape.length === 2 && shape[0] !== shape[1]) wrong.push(shape.toReversed());
    for (const found of wrong) {
      writeWeights(modelTensors().set(name, tensor(name, found)).values());
      const error = await failure();
      expect(error).toMatchObject({
        code: 'INHOUSE_TENSOR_SHAPE',
        details: { tensor: name, found, expected: shape },
      });
      expect(error.message).toContain(`${name} has shape [${found.join(', ')}]`);
      expect(error.message).toContain(`[${shape.join(', ')}]`);
    }
  });

  it('when the separate head does not have the shape of the embeddings', async () => {
    writeConfig({ tie_word_embeddings: false });
    writeWeights([...modelTensors().values(), tensor('lm_head.weight', [16, 11])]);
    const error = await failure();
    expect(error).toMatchObject({ code: 'INHOUSE_TENSOR_SHAPE', details: { expected: [11, 16] } });
  });

  it.each(['F64', 'U8', 'BOOL'] as const)('when one is stored as %s', async (dtype) => {
    const name = 'h.0.mlp.c_fc.bias';
    writeWeights(
      modelTensors()
        .set(name, tensor(name, [24], dtype))
        .values(),
    );
    const error = await failure();
    expect(error).toMatchObject({ code: 'INHOUSE_TENSOR_DTYPE', details: { tensor: name, dtype } });
    expect(error.message).toMatch(new RegExp(`${name} is stored as ${dtype}; supported are F32, F16, BF16`));
  });
});

describe('a folder that is no checkpoint is refused', () => {
  it.each([
    ['missing', 'nowhere'],
    ['a file', 'config.json'],
  ])('when it is %s', async (_, name) => {
    const error = await failure(join(folder, name));
    expect(error.code).toBe('INHOUSE_CHECKPOINT_UNREADABLE');
    expect(error.message).toContain(join(folder, name));
  });

  it('when it has no config.json', async () => {
    rmSync(join(folder, 'config.json'));
    writeWeights(modelTensors().values());
    const error = await failure();
    expect(error.code).toBe('INHOUSE_CHECKPOINT_FILE_MISSING');
    expect(error.message).toContain('config.json does not exist');
  });

  it('when its config.json is not JSON, or not a GPT-2', async () => {
    writeWeights(modelTensors().values());
    writeFileSync(join(folder, 'config.json'), '{"model_type":');
    const malformed = await failure();
    expect(malformed.code).toBe('INHOUSE_CONFIG_INVALID');
    expect(malformed.message).toMatch(/config\.json is not JSON/);
    writeConfig({ model_type: 'llama' });
    const other = await failure();
    expect(other.code).toBe('INHOUSE_CONFIG_UNSUPPORTED');
    expect(other.message).toContain(join(folder, 'config.json'));
  });

  it('when it has no weights', async () => {
    const error = await failure();
    expect(error.code).toBe('INHOUSE_CHECKPOINT_FILE_MISSING');
    expect(error.message).toMatch(/neither model\.safetensors nor model\.safetensors\.index\.json\.$/);
  });

  it.each(['pytorch_model.bin', 'pytorch_model-00001-of-00002.bin'])(
    'when its weights are in %s, saying how to convert them',
    async (name) => {
      writeFileSync(join(folder, name), '');
      const error = await failure();
      expect(error.code).toBe('INHOUSE_CHECKPOINT_FILE_MISSING');
      expect(error.message).toContain(`It has ${name}, but only safetensors is read`);
      expect(error.message).toContain('save_pretrained');
    },
  );

  it('when its weights are a link to a download that never finished', async () => {
    symlinkSync('gone', join(folder, 'model.safetensors'));
    const error = await failure();
    expect(error.code).toBe('INHOUSE_CHECKPOINT_FILE_MISSING');
    expect(error.message).toContain('model.safetensors does not exist');
  });
});

describe('real checkpoints', () => {
  it.for([
    ['models/embedded', 7_098_368, 8192, 'gelu_tanh'],
    ['models/slm4096_mit', 211_712, 54, 'gelu_erf'],
  ] as const)('%s opens', async ([name, parameters, vocabularySize, activation], { skip }) => {
    const path = sharedData(name) ?? skip();
    const checkpoint = await openCheckpoint(path);
    expect(checkpoint.parameterCount).toBe(parameters);
    expect(checkpoint.config).toMatchObject({ vocabularySize, activation });
    const scale = await readTensor(checkpoint.tensors.get('ln_f.weight')!);
    expect(scale.length).toBe(checkpoint.config.width);
    expect(scale.every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
  });
});
