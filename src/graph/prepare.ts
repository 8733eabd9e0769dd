// From an open checkpoint to files a runner can load: the graph, and the weights it reads.
import { stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { StoredTensor } from '../checkpoint/safetensors.js';
import { CheckpointError } from '../errors.js';
import { ArtefactCache, artefactKey } from './artefacts.js';
import { buildGpt2Graph } from './gpt2.js';
import {
  type ComputeType,
  computeType,
  type PrecisionSpec,
  precisionLabel,
  type WeightScheme,
  weightSchemes,
} from './precision.js';
import { type QuantizeProgress, quantizeCheckpoint } from './quantize/quantize-checkpoint.js';
import { planWeightsFile } from './quantize/weights-file.js';
import { type GraphVersions, graphVersions } from './versions.js';
import type { WeightLocator } from './weights.js';
import { storedWhereItIs } from './writer.js';

const GRAPH_FILE = 'graph.onnx';
const WEIGHTS_FILE = 'weights.bin';

export interface PrepareOptions {
  /** Default 'fp32'. */
  readonly precision?: PrecisionSpec | undefined;
  /** Told of the weights as they are written; not called where that was done before. */
  readonly onProgress?: ((progress: QuantizeProgress) => void) | undefined;
  /** Stops writing; preparing rejects with the signal's reason, and nothing half-written stays behind. */
  readonly signal?: AbortSignal | undefined;
}

export interface PreparedModel {
  readonly graphFile: string;
  /** The folder of the files that the graph refers to; ONNX Runtime must be told of it at load. */
  readonly weightsFolder: string;
  /** Of all weights that the graph reads there. */
  readonly weightBytes: number;
  /** Label of the precision. */
  readonly precision: string;
  readonly computeType: ComputeType;
}

/** What the cache remembers of a prepared model. */
export interface PreparedAbout extends GraphVersions {
  /** Folder of the checkpoint. */
  readonly checkpoint: string;
  /** Label of the precision. */
  readonly precision: string;
}

/**
 * Prepares a model in a precision. Where the checkpoint's own files hold every weight as it is wanted, the graph refers
 * to them and no weight is copied: always at FP32, and at FP16 where the checkpoint is F16. Anything else is written
 * once, to the cache in `home`, and found there by later calls.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a mix that does not fit the model; ArtefactError
 * `INHOUSE_CACHE_WRITE`; what {@link quantizeCheckpoint} throws
 */
export async function prepareModel(
  checkpoint: Checkpoint,
  home: string,
  options: PrepareOptions = {},
): Promise<PreparedModel> {
  const spec = options.precision ?? 'fp32';
  const precision = precisionLabel(spec);
  const schemes = weightSchemes(spec, checkpoint.config);
  const cache = new ArtefactCache<PreparedAbout>(home);
  const about = { checkpoint: checkpoint.folder, precision, ...graphVersions() };
  const inPlace = [...checkpoint.tensors].every(([name, tensor]) => isStoredAs(tensor, schemes.get(name)));
  const files = inPlace
    ? await graphOverCheckpoint(checkpoint, cache, about)
    : await graphWithWeights(checkpoint, schemes, cache, about, options);
  return { ...files, precision, computeType: computeType(schemes, checkpoint.config) };
}

type PreparedFiles = Pick<PreparedModel, 'graphFile' | 'weightsFolder' | 'weightBytes'>;

/** Whether the checkpoint holds a weight the way that is wanted; widening a shorter float to float32 loses nothing. */
function isStoredAs({ dtype }: StoredTensor, scheme: WeightScheme | undefined): boolean {
  if (scheme === undefined) return true; // float32
  return scheme.kind === 'float' && (scheme.bits === 32 || dtype === 'F16');
}

/** The key covers the config and the layout of the weight files, not what is in them: only the graph is derived. */
async function graphOverCheckpoint(
  checkpoint: Checkpoint,
  cache: ArtefactCache<PreparedAbout>,
  about: PreparedAbout,
): Promise<PreparedFiles> {
  const { config, tensors, weightBytes } = checkpoint;
  const weightsFolder = onlyFolder(checkpoint);
  const locate: WeightLocator = (name) => {
    const tensor = tensors.get(name)!; // openCheckpoint made sure that all are there
    return { scheme: { kind: 'float', bits: 32 }, data: storedWhereItIs(tensor, basename(tensor.file)) };
  };
  const layout = [...tensors.keys()].sort().map((name) => [name, locate(name).data]);
  const { graphVersion, runtimeVersion, precision } = about;
  const key = artefactKey({ graphVersion, runtimeVersion, precision, config, layout });
  const folder = await cache.obtain(key, about, (building) =>
    writeFile(join(building, GRAPH_FILE), buildGpt2Graph(config, locate)),
  );
  return { graphFile: join(folder, GRAPH_FILE), weightsFolder, weightBytes };
}

/** The key stands for the weights' values too: by path, size and time of the files they come from. */
async function graphWithWeights(
  checkpoint: Checkpoint,
  schemes: ReadonlyMap<string, WeightScheme>,
  cache: ArtefactCache<PreparedAbout>,
  about: PreparedAbout,
  { onProgress, signal }: PrepareOptions,
): Promise<PreparedFiles> {
  const { config, tensors } = checkpoint;
  const { graphVersion, runtimeVersion, precision } = about;
  const files = await filesOf(tensors);
  const key = artefactKey({ graphVersion, runtimeVersion, precision, config, schemes: [...schemes], files });
  const { weights, sizeBytes } = planWeightsFile(tensors, schemes, WEIGHTS_FILE);
  const weightsFolder = await cache.obtain(key, about, async (building) => {
    await writeFile(
      join(building, GRAPH_FILE),
      buildGpt2Graph(config, (name) => weights.get(name)!),
    );
    await quantizeCheckpoint(checkpoint, schemes, join(building, WEIGHTS_FILE), { onProgress, signal });
  });
  return { graphFile: join(weightsFolder, GRAPH_FILE), weightsFolder, weightBytes: sizeBytes };
}

async function filesOf(tensors: Checkpoint['tensors']): Promise<unknown> {
  const files = new Set([...tensors.values()].map(({ file }) => file));
  return Promise.all(
    [...files].sort().map(async (file) => {
      const { size, mtimeNs } = await stat(file, { bigint: true });
      return [file, String(size), String(mtimeNs)];
    }),
  );
}

/** ONNX Runtime reads all external data of a model from one folder, and follows no symbolic link out of it. */
function onlyFolder(checkpoint: Checkpoint): string {
  const folders = new Set([...checkpoint.tensors.values()].map((tensor) => dirname(tensor.file)));
  const [folder, another] = folders;
  if (folder === undefined || another !== undefined) {
    throw new CheckpointError(
      'INHOUSE_CHECKPOINT_UNREADABLE',
      `The weight files of ${checkpoint.folder} resolve to several folders (${[...folders].join(', ')}): ` +
        'ONNX Runtime reads external data from one. Put the files themselves, not links to them, into one folder.',
      { details: { folders: [...folders] } },
    );
  }
  return folder;
}
