// Checkpoint folders with random weights in the exact shapes of known models: speed does not depend on what a model
// has learned, so it can be measured without a download. They have no tokenizer, and what they write is noise.
//
//   <home>/synthetic/<name>-<version>/config.json, model.safetensors (F32)
//   <home>/synthetic/.building-<name>-<version>/   being written; renamed when complete
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withFileLock } from '../src/checkpoint/file-lock.js';
import { parameterShapes } from '../src/checkpoint/parameters.js';
import { registryModels } from '../src/checkpoint/registry.js';
import { ArtefactError } from '../src/errors.js';
import { Random } from './run/random.js';

export interface SyntheticShape {
  readonly layers: number;
  readonly heads: number;
  readonly width: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly filledWith: 'normal' | 'one' | 'zero';
}

/** Part of every folder's name: raise it when the same shape should get other bytes. */
const VERSION = 1;
const SEED = 20_190_214;
/** GPT2Config.initializer_range in Hugging Face transformers. */
const WEIGHT_DEVIATION = 0.02;
const GPT2_VOCABULARY = 50_257;
/** Floats written at once: 4 MB. */
const CHUNK_FLOATS = 2 ** 20;

/** By name: the models of the registry, the shape of the embedded model, and one that is small enough for tests. */
export function syntheticShapes(): ReadonlyMap<string, SyntheticShape> {
  const known = registryModels().map(
    ({ id, layers, heads, width, contextLength }): [string, SyntheticShape] => [
      id,
      { layers, heads, width, contextLength, vocabularySize: GPT2_VOCABULARY },
    ],
  );
  return new Map([
    ...known,
    ['embedded-shape', { layers: 6, heads: 4, width: 256, contextLength: 1024, vocabularySize: 8192 }],
    ['tiny', { layers: 2, heads: 2, width: 64, contextLength: 128, vocabularySize: 512 }],
  ]);
}

/**
 * The folder of a checkpoint of this shape, written if it is not there yet. `onWrite` is told how much that will be.
 * Rejects with the signal's reason when it aborts; throws an `ArtefactError` (`INHOUSE_CACHE_WRITE`) when the disk
 * refuses. Nothing half-written is taken for complete, and a later call removes it.
 */
export async function syntheticCheckpoint(
  name: string,
  shape: SyntheticShape,
  home: string,
  { signal, onWrite }: { readonly signal?: AbortSignal; readonly onWrite?: (sizeBytes: number) => void } = {},
): Promise<string> {
  const folder = join(home, 'synthetic', `${name}-${VERSION}`);
  const building = join(home, 'synthetic', `.building-${name}-${VERSION}`);
  try {
    await mkdir(join(home, 'synthetic'), { recursive: true });
    await withFileLock(`${building}.lock`, signal, async () => {
      if (await exists(folder)) return;
      onWrite?.(syntheticWeightBytes(shape));
      await rm(building, { recursive: true, force: true }); // of a process that was killed
      await mkdir(building);
      try {
        await writeFile(join(building, 'config.json'), `${JSON.stringify(configOf(shape), undefined, 2)}\n`);
        await writeFile(join(building, 'model.safetensors'), weightsFile(shape, signal));
        await rename(building, folder);
      } finally {
        await rm(building, { recursive: true, force: true });
      }
    });
  } catch (cause) {
    throw isDiskError(cause) ? cacheWriteError(folder, shape, cause) : cause;
  }
  return folder;
}

/** Bytes of all weights of this shape. */
export function syntheticWeightBytes(shape: SyntheticShape): number {
  return tensorsOf(shape).reduce((sum, tensor) => sum + elements(tensor), 0) * Float32Array.BYTES_PER_ELEMENT;
}

/** The chunks of a safetensors file; each is valid until the next is asked for. */
function* weightsFile(shape: SyntheticShape, signal: AbortSignal | undefined): Generator<Uint8Array> {
  const tensors = tensorsOf(shape);
  yield safetensorsHeader(tensors);

  const random = new Random(SEED);
  const chunk = new Float32Array(CHUNK_FLOATS);
  for (const tensor of tensors) {
    const size = elements(tensor);
    for (let begin = 0; begin < size; begin += chunk.length) {
      signal?.throwIfAborted();
      const part = chunk.subarray(0, Math.min(chunk.length, size - begin));
      if (tensor.filledWith === 'normal') random.fillNormal(part, WEIGHT_DEVIATION);
      else part.fill(tensor.filledWith === 'one' ? 1 : 0);
      yield new Uint8Array(part.buffer, 0, part.byteLength);
    }
  }
}

/** Format: https://huggingface.co/docs/safetensors (u64 little-endian header length, JSON header, data). */
function safetensorsHeader(tensors: readonly Tensor[]): Uint8Array {
  let end = 0;
  const entries = tensors.map((tensor) => {
    const begin = end;
    end += elements(tensor) * Float32Array.BYTES_PER_ELEMENT;
    return [tensor.name, { dtype: 'F32', shape: tensor.shape, data_offsets: [begin, end] }];
  });
  const json = JSON.stringify(Object.fromEntries(entries));
  const padded = json.padEnd(Math.ceil(json.length / 8) * 8); // as the reference library aligns the data
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, Buffer.from(padded)]);
}

function tensorsOf(shape: SyntheticShape): Tensor[] {
  const shapes = parameterShapes({ ...shape, innerWidth: 4 * shape.width, tiedEmbeddings: true });
  return [...shapes].map(([name, dimensions]) => ({
    name,
    shape: dimensions,
    filledWith: initial(name, dimensions),
  }));
}

/** As GPT-2 begins its training: matrices normal, gains of the layer normalisations one, biases zero. */
function initial(name: string, dimensions: readonly number[]): Tensor['filledWith'] {
  if (dimensions.length === 2) return 'normal';
  return name.endsWith('.bias') ? 'zero' : 'one';
}

function configOf(shape: SyntheticShape): Record<string, unknown> {
  return {
    architectures: ['GPT2LMHeadModel'],
    model_type: 'gpt2',
    activation_function: 'gelu_new',
    n_layer: shape.layers,
    n_head: shape.heads,
    n_embd: shape.width,
    n_positions: shape.contextLength,
    vocab_size: shape.vocabularySize,
    bos_token_id: shape.vocabularySize - 1,
    eos_token_id: shape.vocabularySize - 1,
  };
}

function elements({ shape }: Tensor): number {
  return shape.reduce((product, size) => product * size, 1);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

function isDiskError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function cacheWriteError(folder: string, shape: SyntheticShape, cause: NodeJS.ErrnoException): ArtefactError {
  const sizeMb = Math.ceil(syntheticWeightBytes(shape) / 1e6);
  return new ArtefactError(
    'INHOUSE_CACHE_WRITE',
    `Cannot write ${sizeMb} MB of synthetic weights to ${folder}: ${cause.message}. ` +
      'Free some space or make the folder writable, or point INHOUSE_HOME to another folder.',
    { cause, details: { folder, reason: cause.code } },
  );
}
