// A checkpoint folder, opened: its config, and where each of the model's tensors lies. No weight is read here.
import { readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, type ErrorCode } from '../errors.js';
import { type Gpt2Config, parseGpt2Config } from './config.js';
import { parameterShapes } from './parameters.js';
import { fileError, readSafetensorsHeader, type StoredTensor } from './safetensors.js';
import { parseWeightMap } from './weight-map.js';

export interface Checkpoint {
  /** Real path, symbolic links resolved. */
  readonly folder: string;
  readonly config: Gpt2Config;
  /**
   * By canonical name, which has no `transformer.` prefix, in the order of the model: 'wte.weight' ... 'ln_f.bias', and
   * 'lm_head.weight' where the embeddings are not tied. Complete, every shape and dtype checked; nothing else is in it.
   */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Path of `tokenizer.json`, if the folder has one. */
  readonly tokenizerFile: string | undefined;
  /** Elements of `tensors`; a tied head counts once. */
  readonly parameterCount: number;
  /** Bytes of `tensors` as stored. */
  readonly weightBytes: number;
}

const CONFIG_FILE = 'config.json';
const WEIGHTS_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';
const TOKENIZER_FILE = 'tokenizer.json';
const SUPPORTED_DTYPES = ['F32', 'F16', 'BF16'];
const NAMES_IN_MESSAGE = 5;

/**
 * Opens a folder that holds `config.json` and `model.safetensors`, or else the shards that
 * `model.safetensors.index.json` lists; reads the config and the headers of the weight files.
 * @throws CheckpointError `INHOUSE_CHECKPOINT_UNREADABLE`, `INHOUSE_CHECKPOINT_FILE_MISSING`, `INHOUSE_CONFIG_INVALID`,
 * `INHOUSE_CONFIG_UNSUPPORTED`, `INHOUSE_SAFETENSORS_*` and `INHOUSE_TENSOR_*`.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const { root, names } = await listFolder(folder);
  const configFile = join(root, CONFIG_FILE);
  const config = parseGpt2Config(await readJson(configFile, 'INHOUSE_CONFIG_INVALID'), configFile);
  const tensors = gpt2Tensors(await readStoredTensors(root, names), config, root);
  return {
    folder: root,
    config,
    tensors,
    tokenizerFile: names.has(TOKENIZER_FILE) ? join(root, TOKENIZER_FILE) : undefined,
    parameterCount: sum(tensors, ({ shape }) => shape.reduce((product, size) => product * size, 1)),
    weightBytes: sum(tensors, ({ byteLength }) => byteLength),
  };
}

async function listFolder(folder: string): Promise<{ root: string; names: ReadonlySet<string> }> {
  try {
    const root = await realpath(folder);
    return { root, names: new Set(await readdir(root)) };
  } catch (cause) {
    throw new CheckpointError(
      'INHOUSE_CHECKPOINT_UNREADABLE',
      `${folder} cannot be read as a checkpoint folder: ${(cause as Error).message}`,
      { cause, details: { folder } },
    );
  }
}

async function readJson(path: string, malformed: ErrorCode): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(malformed, `${path} is not JSON: ${(cause as Error).message}`, {
      cause,
      details: { file: path },
    });
  }
}

async function readStoredTensors(root: string, names: ReadonlySet<string>): Promise<readonly StoredTensor[]> {
  if (names.has(WEIGHTS_FILE)) return readSafetensorsHeader(join(root, WEIGHTS_FILE));
  if (names.has(INDEX_FILE)) return readShards(root);
  const pickled = [...names].find((name) => /^pytorch_model.*\.bin$/.test(name));
  const advice =
    pickled === undefined
      ? ''
      : ` It has ${pickled}, but only safetensors is read; convert it in Python with transformers: ` +
        'GPT2LMHeadModel.from_pretrained(folder).save_pretrained(folder).';
  throw new CheckpointError(
    'INHOUSE_CHECKPOINT_FILE_MISSING',
    `${root} has neither ${WEIGHTS_FILE} nor ${INDEX_FILE}.${advice}`,
    { details: { folder: root } },
  );
}

/** The tensors of all shards; each tensor of the index must be in the shard that the index says. */
async function readShards(root: string): Promise<readonly StoredTensor[]> {
  const indexFile = join(root, INDEX_FILE);
  const shardOf = parseWeightMap(await readJson(indexFile, 'INHOUSE_SAFETENSORS_INDEX'), indexFile);
  const shards = new Map<string, readonly StoredTensor[]>();
  for (const shard of new Set(shardOf.values()))
    shards.set(shard, await readSafetensorsHeader(join(root, shard)));

  const present = new Set(
    [...shards].flatMap(([shard, tensors]) => tensors.map(({ name }) => `${shard}/${name}`)),
  );
  const absent = [...shardOf].filter(([name, shard]) => !present.has(`${shard}/${name}`));
  if (absent.length > 0) {
    const places = absent.map(([name, shard]) => `${name} in ${shard}`);
    throw new CheckpointError(
      'INHOUSE_TENSOR_MISSING',
      `${root}: tensors that ${INDEX_FILE} lists are not where it says: ${list(places)}.`,
      { details: { folder: root, missing: absent.map(([name]) => name) } },
    );
  }
  return [...shards.values()].flat();
}

/** Picks the model's tensors out of those stored, under their canonical names, and checks that they fit the config. */
function gpt2Tensors(
  stored: readonly StoredTensor[],
  config: Gpt2Config,
  root: string,
): ReadonlyMap<string, StoredTensor> {
  const shapes = parameterShapes(config);
  const found = new Map<string, StoredTensor>();
  const unexpected: string[] = [];
  for (const tensor of stored) {
    const name = tensor.name.replace(/^transformer\./, '');
    if (isIgnored(name, config)) continue;
    const other = found.get(name);
    if (other !== undefined) throw duplicate(other, tensor);
    if (shapes.has(name)) found.set(name, tensor);
    else unexpected.push(tensor.name);
  }
  if (unexpected.length > 0)
    throw new CheckpointError(
      'INHOUSE_TENSOR_UNEXPECTED',
      `${root} holds tensors that the GPT-2 of its ${CONFIG_FILE} does not have: ${list(unexpected)}.`,
      { details: { folder: root, unexpected } },
    );
  const missing = [...shapes.keys()].filter((name) => !found.has(name));
  if (missing.length > 0)
    throw new CheckpointError(
      'INHOUSE_TENSOR_MISSING',
      `${root} lacks tensors that the GPT-2 of its ${CONFIG_FILE} has: ${list(missing)}.`,
      { details: { folder: root, missing } },
    );
  return new Map([...shapes].map(([name, shape]) => [name, checked(found.get(name)!, shape)]));
}

/** Causal mask buffers, and a copy of the embeddings that a tied head does not need. */
function isIgnored(name: string, { tiedEmbeddings }: Gpt2Config): boolean {
  return /^h\.\d+\.attn\.(bias|masked_bias)$/.test(name) || (tiedEmbeddings && name === 'lm_head.weight');
}

function checked(tensor: StoredTensor, expected: readonly number[]): StoredTensor {
  const { name, file, shape, dtype } = tensor;
  if (!SUPPORTED_DTYPES.includes(dtype))
    throw new CheckpointError(
      'INHOUSE_TENSOR_DTYPE',
      `${file}: ${name} is stored as ${dtype}; supported are ${SUPPORTED_DTYPES.join(', ')}.`,
      { details: { file, tensor: name, dtype, supported: SUPPORTED_DTYPES } },
    );
  if (shape.length !== expected.length || shape.some((size, axis) => size !== expected[axis]))
    throw new CheckpointError(
      'INHOUSE_TENSOR_SHAPE',
      `${file}: ${name} has shape [${shape.join(', ')}], but by ${CONFIG_FILE} it is [${expected.join(', ')}].`,
      { details: { file, tensor: name, found: shape, expected } },
    );
  return tensor;
}

function duplicate(first: StoredTensor, second: StoredTensor): CheckpointError {
  return new CheckpointError(
    'INHOUSE_TENSOR_DUPLICATE',
    `The same tensor is stored twice: as ${first.name} in ${first.file} and as ${second.name} in ${second.file}.`,
    { details: { files: [first.file, second.file], tensors: [first.name, second.name] } },
  );
}

function list(names: readonly string[]): string {
  const more = names.length - NAMES_IN_MESSAGE;
  const shown = names.slice(0, NAMES_IN_MESSAGE).join(', ');
  return more > 0 ? `${shown} and ${more} more (${names.length} in all)` : shown;
}

function sum(tensors: ReadonlyMap<string, StoredTensor>, of: (tensor: StoredTensor) => number): number {
  return [...tensors.values()].reduce((total, tensor) => total + of(tensor), 0);
}
