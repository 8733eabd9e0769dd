// From an open checkpoint to files a runner can load: the graph, and the weights it reads.
import { stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import type { Gpt2Config } from '../checkpoint/config.js';
import type { StoredTensor } from '../checkpoint/safetensors.js';
import { CheckpointError } from '../errors.js';
import { ArtefactCache, artefactKey } from './artefacts.js';
import { CPU_FORM, type GraphDevice, type GraphForm, graphForm, kvForm } from './form.js';
import { buildGpt2Graph } from './gpt2.js';
import type { KvForm } from './io.js';
import {
  type ComputeType,
  computeType,
  type PrecisionSpec,
  precisionLabel,
  type WeightScheme,
  weightSchemes,
} from './precision.js';
import { type QuantizeProgress, quantizeCheckpoint } from './quantize/quantize-checkpoint.js';
import { planWeightsFile, type StoredWeight } from './quantize/weights-file.js';
import { type GraphVersions, graphVersions } from './versions.js';
import { storedWhereItIs } from './writer.js';

const GRAPH_FILE = 'graph.onnx';
const WEIGHTS_FILE = 'weights.bin';

export interface PrepareOptions {
  /** Default 'fp32'. */
  readonly precision?: PrecisionSpec | undefined;
  /** What the graph is to run on; default 'cpu'. The weights are the same. */
  readonly device?: GraphDevice | undefined;
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
  readonly computeType: ComputeType | GraphForm['elementType'];
  readonly kv: KvForm;
  /** Candidates per wanted row that the graph puts out. */
  readonly candidates: number;
}

/** What the cache remembers of a prepared model. */
export interface PreparedAbout extends GraphVersions {
  /** Folder of the checkpoint. */
  readonly checkpoint: string;
  /** Label of the precision. */
  readonly precision: string;
  /** Of a graph for a GPU, which lies apart from the weights. */
  readonly device?: 'cuda';
}

/**
 * Prepares a model in a precision. Where the checkpoint's own files hold every weight as it is wanted, the graph refers
 * to them and no weight is copied: always at FP32, and at FP16 where the checkpoint is F16. Anything else is written
 * once, to the cache in `home`, and found there by later calls, for whatever device.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a mix that does not fit the model or the device; ArtefactError
 * `INHOUSE_CACHE_WRITE`; what {@link quantizeCheckpoint} throws
 */
export async function prepareModel(
  checkpoint: Checkpoint,
  home: string,
  options: PrepareOptions = {},
): Promise<PreparedModel> {
  const spec = options.precision ?? 'fp32';
  const device = options.device ?? 'cpu';
  const { config } = checkpoint;
  const schemes = weightSchemes(spec, config);
  const form = graphForm(device, spec, config);
  const cache = new ArtefactCache<PreparedAbout>(home);
  const about = { checkpoint: checkpoint.folder, precision: precisionLabel(spec), ...graphVersions() };
  const inPlace = [...checkpoint.tensors].every(([name, tensor]) => isStoredAs(tensor, schemes.get(name)));
  const weights = inPlace
    ? checkpointWeights(checkpoint)
    : await writtenWeights(checkpoint, schemes, cache, about, options);
  const graphFile =
    device === 'cpu'
      ? (weights.cpuGraphFile ?? (await graphOver(weights, config, form, cache, about)))
      : await graphOver(weights, config, form, cache, { ...about, device });
  return {
    graphFile,
    weightsFolder: weights.folder,
    weightBytes: weights.sizeBytes,
    precision: about.precision,
    computeType: form.integerProducts ? computeType(schemes, config) : form.elementType,
    kv: kvForm(form),
    candidates: form.candidates,
  };
}

/** Weights as files hold them, for a graph to refer to. */
interface WeightFiles {
  readonly folder: string;
  readonly sizeBytes: number;
  readonly weights: ReadonlyMap<string, StoredWeight>;
  /** The graph for the CPU, where it was written beside them. */
  readonly cpuGraphFile?: string;
}

/** Whether the checkpoint holds a weight the way that is wanted; widening a shorter float to float32 loses nothing. */
function isStoredAs({ dtype }: StoredTensor, scheme: WeightScheme | undefined): boolean {
  if (scheme === undefined) return true; // float32
  return scheme.kind === 'float' && (scheme.bits === 32 || dtype === 'F16');
}

function checkpointWeights(checkpoint: Checkpoint): WeightFiles {
  const folder = onlyFolder(checkpoint);
  const scheme: WeightScheme = { kind: 'float', bits: 32 };
  const weights = new Map(
    [...checkpoint.tensors].map(([name, tensor]) => [
      name,
      { scheme, data: storedWhereItIs(tensor, basename(tensor.file)) },
    ]),
  );
  return { folder, sizeBytes: checkpoint.weightBytes, weights };
}

/** The key stands for the weights' values too: by path, size and time of the files they come from. */
async function writtenWeights(
  checkpoint: Checkpoint,
  schemes: ReadonlyMap<string, WeightScheme>,
  cache: ArtefactCache<PreparedAbout>,
  about: PreparedAbout,
  { onProgress, signal }: PrepareOptions,
): Promise<WeightFiles> {
  const { config, tensors } = checkpoint;
  const { graphVersion, runtimeVersion, precision } = about;
  const files = await filesOf(tensors);
  const key = artefactKey({ graphVersion, runtimeVersion, precision, config, schemes: [...schemes], files });
  const { weights, sizeBytes } = planWeightsFile(tensors, schemes, WEIGHTS_FILE);
  const folder = await cache.obtain(key, about, async (building) => {
    await writeFile(join(building, GRAPH_FILE), buildGpt2Graph(config, weights, CPU_FORM));
    await quantizeCheckpoint(checkpoint, schemes, join(building, WEIGHTS_FILE), { onProgress, signal });
  });
  return { folder, sizeBytes, weights, cpuGraphFile: join(folder, GRAPH_FILE) };
}

/** An artefact of the graph alone. Its key covers the layout of the weight files, not what is in them. */
async function graphOver(
  { weights }: WeightFiles,
  config: Gpt2Config,
  form: GraphForm,
  cache: ArtefactCache<PreparedAbout>,
  about: PreparedAbout,
): Promise<string> {
  const { graphVersion, runtimeVersion, precision } = about;
  const layout = [...weights.keys()].sort().map((name) => [name, weights.get(name)!.data]);
  const key = artefactKey({
    graphVersion,
    runtimeVersion,
    precision,
    config,
    layout,
    ...(about.device && { form }),
  });
  const folder = await cache.obtain(key, about, (building) =>
    writeFile(join(building, GRAPH_FILE), buildGpt2Graph(config, weights, form)),
  );
  return join(folder, GRAPH_FILE);
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
