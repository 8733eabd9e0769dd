// Where weights may lie on disk: the graph refers to them in place, whatever the layout.
import { mkdtempSync, rmSync } from 'node:fs';
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedModelFolder } from '#inhouse/checkpoint/embedded.js';
import { readSafetensorsHeader, type StoredTensor } from '#inhouse/checkpoint/safetensors.js';
import { load } from '#inhouse/index.js';
import { type RandomCheckpoint, writeRandomCheckpoint } from '../support/random-checkpoint.js';

const SHAPE: RandomCheckpoint = {
  seed: 5,
  layers: 2,
  heads: 2,
  headSize: 32,
  vocabularySize: 101,
  contextLength: 32,
  activation: 'gelu_new',
  dtype: 'F32',
  prefix: true,
};
const IDS = [3, 14, 15, 92, 65, 35, 89, 79];

let scratch: string;
let plain: string;
let expected: ReadonlyArray<number | null>;

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'inhouse-loading-'));
  process.env.INHOUSE_HOME = join(scratch, 'home');
  plain = writeRandomCheckpoint(join(scratch, 'plain'), SHAPE);
  expected = await scoreOf(plain);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function scoreOf(folder: string): Promise<ReadonlyArray<number | null>> {
  await using model = await load(folder, { threads: 1 });
  return (await model.score(IDS)).logprobs;
}

/** A copy of the plain checkpoint's config in a new folder. */
async function folderWithConfig(name: string): Promise<string> {
  const folder = join(scratch, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), await readFile(join(plain, 'config.json')));
  return folder;
}

/** Writes some tensors of the plain checkpoint to a file, after a header padded by `padding` blanks. */
async function writeTensors(path: string, tensors: readonly StoredTensor[], padding = ''): Promise<void> {
  const weights = await readFile(join(plain, 'model.safetensors'));
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const { name, dtype, shape, byteLength } of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + byteLength] };
    end += byteLength;
  }
  const json = Buffer.from(JSON.stringify(header) + padding);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const data = tensors.map(({ offset, byteLength }) => weights.subarray(offset, offset + byteLength));
  await writeFile(path, Buffer.concat([length, json, ...data]));
}

/** Splits the plain checkpoint over two shards and writes their index. */
async function writeShards(folder: string): Promise<string[]> {
  const tensors = await readSafetensorsHeader(join(plain, 'model.safetensors'));
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  const weightMap: Record<string, string> = {};
  for (const [i, shard] of shards.entries()) {
    const own = tensors.filter((_, index) => index % 2 === i);
    await writeTensors(join(folder, shard), own);
    for (const { name } of own) weightMap[name] = shard;
  }
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: weightMap }));
  return shards;
}

describe('weights are read in place', () => {
  it.each([0, 1, 2, 3])('from data that begins %i bytes off a multiple of four', async (shift) => {
    const folder = await folderWithConfig(`shifted-${shift}`);
    const tensors = await readSafetensorsHeader(join(plain, 'model.safetensors'));
    const path = join(folder, 'model.safetensors');
    for (let blanks = 0; blanks < 4; blanks++) {
      await writeTensors(path, tensors, ' '.repeat(blanks));
      const [first] = await readSafetensorsHeader(path);
      if (first!.offset % 4 === shift) break;
    }
    expect((await readSafetensorsHeader(path))[0]!.offset % 4).toBe(shift);
    expect(await scoreOf(folder)).toEqual(expected);
  });

  it('from shards', async () => {
    const folder = await folderWithConfig('shards');
    await writeShards(folder);
    expect(await scoreOf(folder)).toEqual(expected);
  });

  it('through the symbolic links of the Hugging Face cache', async () => {
    const repository = join(scratch, 'models--someone--something');
    const snapshot = join(repository, 'snapshots', 'c0ffee');
    const blobs = join(repository, 'blobs');
    const folder = await folderWithConfig('models--someone--something/snapshots/c0ffee');
    await mkdir(blobs);
    for (const [i, name] of [
      'config.json',
      ...(await writeShards(folder)),
      'model.safetensors.index.json',
    ].entries()) {
      await rename(join(snapshot, name), join(blobs, `blob${i}`));
      await symlink(join('..', '..', 'blobs', `blob${i}`), join(snapshot, name));
    }
    expect(await scoreOf(snapshot)).toEqual(expected);
  });

  it('which is refused when the links lead to several folders', async () => {
    const folder = await folderWithConfig('scattered');
    const [first] = await writeShards(folder);
    await mkdir(join(scratch, 'elsewhere'));
    await rename(join(folder, first!), join(scratch, 'elsewhere', 'shard'));
    await symlink(join(scratch, 'elsewhere', 'shard'), join(folder, first!));
    await expect(load(folder)).rejects.toMatchObject({ code: 'INHOUSE_CHECKPOINT_UNREADABLE' });
  });

  it('and never copied: the artefact is a small graph', async () => {
    const artefacts = join(scratch, 'home', 'artefacts');
    const sizes = await Promise.all(
      (await readdir(artefacts)).map(async (key) => (await stat(join(artefacts, key, 'graph.onnx'))).size),
    );
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.max(...sizes)).toBeLessThan(20_000);
    expect((await stat(join(plain, 'model.safetensors'))).size).toBeGreaterThan(400_000);
  });
});

it('weights that shrink after they were checked are an error of the runtime, not a crash', async () => {
  const folder = writeRandomCheckpoint(join(scratch, 'shrinking'), SHAPE);
  const { openCheckpoint } = await import('#inhouse/checkpoint/checkpoint.js');
  const { prepareModel } = await import('#inhouse/graph/prepare.js');
  const { openPortableRunner } = await import('#inhouse/runtime/portable.js');
  const checkpoint = await openCheckpoint(folder);
  const prepared = await prepareModel(checkpoint, join(scratch, 'home'));
  await truncate(join(folder, 'model.safetensors'), 1000);
  const opening = openPortableRunner({ config: checkpoint.config, ...prepared, maxRows: 1, threads: 1 });
  await expect(opening).rejects.toMatchObject({ name: 'RunnerError', code: 'INHOUSE_RUNTIME_LOAD' });
});

it('a vocabulary padded beyond the tokenizer generates all the same: padding has no text', async () => {
  const folder = writeRandomCheckpoint(join(scratch, 'padded'), { ...SHAPE, vocabularySize: 8300 });
  await copyFile(join(embeddedModelFolder(), 'tokenizer.json'), join(folder, 'tokenizer.json'));
  await using model = await load(folder, { threads: 1 });
  const result = await model.generate('Hello', { maxTokens: 3, logitBias: { 8298: 100 } });
  expect(result).toMatchObject({ finishReason: 'length', text: '' });
  expect(model.detokenize([1])).not.toBe('');
  expect(() => model.detokenize([8298])).toThrow(expect.objectContaining({ code: 'INHOUSE_INVALID_TOKEN' }));
});

it('a graph damaged in the cache is built again', async () => {
  const artefacts = join(scratch, 'home', 'artefacts');
  for (const key of await readdir(artefacts))
    await writeFile(join(artefacts, key, 'graph.onnx'), 'not a graph');
  expect(await scoreOf(plain)).toEqual(expected);
});
