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
import { prepareModel } from './graph/prepare.js';
import { inhouseHome } from './home.js';
import { Model } from './model.js';
import { checkOptions, rule } from './options.js';
import { openRunner, type RunnerChoice } from './runtime/open.js';
import { Tokenizer } from './tokenizer/tokenizer.js';

export interface LoadOptions extends EngineOptions {
  /** Default 'fp32'. */
  readonly precision?: 'fp32';
  /** Default 'auto': the best device there is, which is the CPU in this release. */
  readonly device?: 'auto' | 'cpu';
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
  /** Told of downloads as they advance. */
  readonly onProgress?: (progress: DownloadProgress) => void;
  /** Stops a download; loading rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const RULES = {
  precision: rule.oneOf('fp32'),
  device: rule.oneOf('auto', 'cpu'),
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
  const { precision: _p, device: _d, runner: choice = 'auto', ...rest } = options;
  const { threads = availableParallelism(), ...download } = rest;
  const maxRows = runnerRows('load', options);
  const resolved = await resolveModel(name, download);
  const checkpoint = await openCheckpoint(resolved.folder);
  const tokenizer = await openTokenizer(resolved.folder);
  const prepared = await prepareModel(checkpoint, inhouseHome());
  options.signal?.throwIfAborted();
  const runner = await openRunner(choice, {
    config: checkpoint.config,
    ...prepared,
    maxRows,
    threads,
  });
  const { kv } = await runner.statistics();
  const engine = new Engine(runner, resolveEngineOptions(options, runner.info, kv.bytesPerToken));
  return new Model({ resolved, checkpoint, tokenizer, runner, engine });
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
