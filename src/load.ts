// From a model's name to a loaded model: find or download, open, prepare the graph, start the runner.
import { availableParallelism } from 'node:os';
import { openCheckpoint } from './checkpoint/checkpoint.js';
import { EMBEDDED_MODEL } from './checkpoint/embedded.js';
import type { DownloadProgress } from './checkpoint/hub.js';
import { resolveModel } from './checkpoint/resolve.js';
import { Engine } from './engine/engine.js';
import {
  ENGINE_RULES,
  type EngineOptions,
  resolveEngineOptions,
  runnerRows,
} from './engine/engine-options.js';
import { InhouseError } from './errors.js';
import { checkPrecision, type PrecisionSpec } from './graph/precision.js';
import { prepareModel } from './graph/prepare.js';
import type { QuantizeProgress } from './graph/quantize/quantize-checkpoint.js';
import { inhouseHome } from './home.js';
import { Model } from './model.js';
import { checkOptions, invalidOption, rule } from './options.js';
import { type CudaOptions, cudaSettings, type DeviceChoice, kvBytes, parseDevice } from './runtime/device.js';
import { requireCudaProvider } from './runtime/native/cuda-provider.js';
import { gpuStatistics } from './runtime/native/memory.js';
import { openRunner, type RunnerChoice } from './runtime/open.js';
import { placeModel } from './runtime/place.js';
import { Tokenizer } from './tokenizer/tokenizer.js';

/** A download, file by file; then, where the precision asks for it and it was not done before, writing the weights. */
export type LoadProgress =
  | ({ readonly stage: 'download' } & DownloadProgress)
  | ({ readonly stage: 'quantize' } & QuantizeProgress);

export interface LoadOptions extends EngineOptions {
  /**
   * How weights are stored, on disk and in memory. Default 'fp32'. Others but FP32 are written when a model is first
   * loaded that way, and mapped from then on.
   */
  readonly precision?: PrecisionSpec;
  /**
   * Where it computes: 'cpu', 'cuda' (the first NVIDIA GPU), 'cuda:1', or 'auto' (default), which takes the first GPU
   * where CUDA loads and memory suffices, else the CPU; `model.info().deviceReason` says why. A device that is named is
   * never replaced by another.
   */
  readonly device?: DeviceChoice;
  /** Options of CUDA. */
  readonly cuda?: CudaOptions;
  /**
   * What computes: 'native' (the C++ addon), 'portable' (onnxruntime-node alone, slower), or 'auto' (default): native
   * where it loads.
   */
  readonly runner?: RunnerChoice;
  /** Threads that compute one step. Default: as many as the process may use. */
  readonly threads?: number;
  /** Branch, tag or commit of a model on the hub. Default 'main'. */
  readonly revision?: string;
  /** The hub's cache folder. Default: HF_HUB_CACHE and what else the Hugging Face libraries read. */
  readonly cacheDir?: string;
  /** Address of the hub. Default HF_ENDPOINT or the public hub. */
  readonly endpoint?: string;
  /** Access token of the hub. Default HF_TOKEN. */
  readonly token?: string;
  /** Use no network. Default HF_HUB_OFFLINE. */
  readonly offline?: boolean;
  /** Told of what takes long as it advances. */
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Stops a download and the writing of weights; loading rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const CUDA_RULES = {
  memoryLimitBytes: rule.integer(1),
  arenaStrategy: rule.oneOf('same-as-requested', 'next-power-of-two'),
  tf32: rule.boolean,
  cudaGraphs: rule.boolean,
};

const RULES = {
  precision: () => undefined, // checkPrecision says more
  device: (value: unknown) => (parseDevice(value) ? undefined : "'auto', 'cpu', 'cuda' or 'cuda:<number>'"),
  cuda: rule.object,
  runner: rule.oneOf('auto', 'native', 'portable'),
  threads: rule.integer(1, 256),
  ...ENGINE_RULES,
  revision: rule.text,
  cacheDir: rule.text,
  endpoint: rule.text,
  token: rule.text,
  offline: rule.boolean,
  onProgress: rule.function,
  signal: rule.signal,
};

/**
 * Loads a model: 'embedded' (the default), a name of the registry such as 'gpt2', a hub id `organisation/name`, or the
 * path of a checkpoint folder. Dispose of it when it is no longer needed: it holds a thread and the weights.
 * @throws InvalidInputError, CheckpointError, HubError, ArtefactError, RunnerError
 */
export async function load(name: string = EMBEDDED_MODEL, options: LoadOptions = {}): Promise<Model> {
  checkOptions('load', options, RULES);
  checkOptions('load: cuda', options.cuda, CUDA_RULES);
  const { precision: spec = 'fp32', device = 'auto', runner: choice = 'auto', onProgress, ...rest } = options;
  const { threads = availableParallelism(), ...download } = rest;
  const precision = checkPrecision(spec);
  const maxRows = runnerRows('load', options);
  const resolved = await resolveModel(name, {
    ...download,
    onProgress: (progress) => onProgress?.({ stage: 'download', ...progress }),
  });
  const checkpoint = await openCheckpoint(resolved.folder);
  const tokenizer = await openTokenizer(resolved.folder);
  const { config } = checkpoint;
  const place = parseDevice(device)!; // checked above
  const cuda = cudaSettings(place.kind === 'cuda' ? place.id : 0, options.cuda);
  const { prepared, runner, reason } = await placeModel(place, cuda, {
    requireCuda: () => requireCuda(choice),
    gpus: gpuStatistics,
    prepare: (kind) =>
      prepareModel(checkpoint, inhouseHome(), {
        precision,
        device: kind,
        onProgress: (progress) => onProgress?.({ stage: 'quantize', ...progress }),
        signal: options.signal,
      }),
    need: ({ weightBytes, kv }) => ({
      weightBytes,
      kvBytes: kvBytes(config, kv, config.contextLength),
      memoryLimitBytes: cuda.memoryLimitBytes,
    }),
    open: async (prepared, device) => {
      options.signal?.throwIfAborted();
      return openRunner(device ? 'native' : choice, { config, ...prepared, maxRows, threads, device });
    },
  });
  const { weightBytes } = prepared;
  const statistics = await runner.statistics().catch(async (error: unknown) => {
    await runner.dispose(); // a device may be lost as soon as it is found
    throw error;
  });
  const engine = new Engine(runner, resolveEngineOptions(options, runner.info, statistics));
  const deviceMemory = statistics.device ?? null;
  const parts = { resolved, checkpoint, weightBytes, tokenizer, runner, engine };
  return new Model({ ...parts, deviceReason: reason, deviceMemory });
}

function requireCuda(choice: RunnerChoice): void {
  if (choice === 'portable') {
    throw invalidOption(
      'load',
      'runner',
      choice,
      "'auto' or 'native' with CUDA: it computes on the CPU only",
    );
  }
  requireCudaProvider();
}

/** A model without tokenizer files still takes token ids; one whose files are damaged is refused. */
async function openTokenizer(folder: string): Promise<Tokenizer | undefined> {
  try {
    return await Tokenizer.open(folder);
  } catch (error) {
    if (error instanceof InhouseError && error.code === 'INHOUSE_TOKENIZER_MISSING') return undefined;
    throw error;
  }
}
