// The Runner on the native addon: ONNX Runtime driven from C++, the KV cache updated where it is, off the event loop.
import { DisposedError, type ErrorCode, InhouseError, InvalidInputError, RunnerError } from '../errors.js';
import { type AddonFailure, type AddonRunner, type AddonRunnerOptions, nativeAddon } from './native/addon.js';
import { onnxRuntimeLibrary } from './native/library.js';
import {
  type DeviceSettings,
  type RowOptions,
  type Runner,
  type RunnerInfo,
  type RunnerOptions,
  type RunnerStatistics,
  runnerInfo,
  type ScoreOptions,
  type ScoreResult,
  type TokenChoice,
} from './runner.js';

export { type NativeAddon, nativeAddon } from './native/addon.js';

export interface NativeRunnerOptions extends RunnerOptions {
  /** ONNX Runtime's library. Default: the one in onnxruntime-node. */
  readonly libraryFile?: string;
  /** Let threads wait in a busy loop within a step: faster, at the cost of processor time. Default true. */
  readonly spinning?: boolean;
  /**
   * Who multiplies with quantized matrices: 'own' kernels, where there are any for this processor, or ONNX Runtime's. Default
   * 'own'; the other is for comparison.
   */
  readonly products?: 'own' | 'onnxruntime';
  /** How far ONNX Runtime rewrites the graph at load. Default 'all'. */
  readonly optimization?: keyof typeof OPTIMIZATION_LEVELS;
  /** Write ONNX Runtime's profile to `<profilePrefix>_<time>.json` on dispose. Default: none is written. */
  readonly profilePrefix?: string;
  /** An execution provider of the library, such as 'XNNPACK', with its own options. Default: the CPU's kernels. */
  readonly executionProvider?: {
    readonly name: string;
    readonly options?: Readonly<Record<string, string>>;
  };
}

/** Values of ONNX Runtime's GraphOptimizationLevel. */
const OPTIMIZATION_LEVELS = { none: 0, basic: 1, extended: 2, all: 99 } as const;

/** A runner with what only the native one can tell. */
export interface NativeRunner extends Runner {
  /** Figures of ONNX Runtime's allocator under its own names, such as InUse and MaxInUse, in bytes. */
  allocatorStatistics(): Promise<Readonly<Record<string, number>>>;
}

/**
 * Throws a `RunnerError` (`INHOUSE_RUNTIME_LOAD`) when the addon or ONNX Runtime's library does not load, when ONNX
 * Runtime cannot load the graph or its weights, or when the address space for the rows is not to be had.
 */
export async function openNativeRunner(options: NativeRunnerOptions): Promise<NativeRunner> {
  const native = nativeAddon();
  if (!native.loaded) {
    throw new RunnerError('INHOUSE_RUNTIME_LOAD', `The native runner is not available: ${native.reason}.`);
  }
  try {
    const runner = new native.addon.Runner(toAddonOptions(options));
    try {
      return new AddonBackedRunner(runner, runnerInfo('native', options, await runner.load()));
    } catch (failure) {
      await runner.dispose();
      throw failure;
    }
  } catch (failure) {
    throw toError(failure, 'INHOUSE_RUNTIME_LOAD');
  }
}

class AddonBackedRunner implements NativeRunner {
  readonly info: RunnerInfo;
  readonly #runner: AddonRunner;
  #disposal: Promise<void> | undefined;

  constructor(runner: AddonRunner, info: RunnerInfo) {
    this.#runner = runner;
    this.info = info;
  }

  openRow(row: number, options: RowOptions): Promise<void> {
    const { logitBias, stopTokenIds, ...settings } = options.sampling;
    return this.#call('openRow', (runner) =>
      runner.openRow(row, {
        capacity: options.capacity,
        prompt: doubles(options.prompt),
        output: doubles(options.output),
        sampling: {
          ...settings,
          biasIds: doubles(logitBias.ids),
          biasValues: doubles(logitBias.values),
          stopTokenIds: doubles(stopTokenIds),
        },
      }),
    );
  }

  prefill(row: number, tokens: readonly number[], options: { readonly sample: true }): Promise<TokenChoice>;
  prefill(
    row: number,
    tokens: readonly number[],
    options?: { readonly sample?: boolean },
  ): Promise<TokenChoice | undefined>;
  prefill(
    row: number,
    tokens: readonly number[],
    options?: { readonly sample?: boolean },
  ): Promise<TokenChoice | undefined> {
    return this.#call('prefill', (runner) => runner.prefill(row, doubles(tokens), options?.sample ?? false));
  }

  decode(rows: number, steps = 1): Promise<ReadonlyArray<readonly TokenChoice[]>> {
    return this.#call('decode', (runner) => runner.decode(rows, steps));
  }

  moveRow(from: number, to: number): Promise<void> {
    return this.#call('moveRow', (runner) => runner.moveRow(from, to));
  }

  copyPrefix(from: number, to: number, length: number): Promise<void> {
    return this.#call('copyPrefix', (runner) => runner.copyPrefix(from, to, length));
  }

  truncateRow(row: number, length: number): Promise<void> {
    return this.#call('truncateRow', (runner) => runner.truncateRow(row, length));
  }

  closeRow(row: number): Promise<void> {
    return this.#call('closeRow', (runner) => runner.closeRow(row));
  }

  score(tokens: readonly number[], options: ScoreOptions = {}): Promise<ScoreResult> {
    return this.#call('score', (runner) =>
      runner.score(doubles(tokens), options.from ?? 1, options.logits ?? false),
    );
  }

  embed(tokens: readonly number[], pooling: 'mean' | 'last'): Promise<Float32Array> {
    return this.#call('embed', (runner) => runner.embed(doubles(tokens), pooling === 'mean'));
  }

  statistics(): Promise<RunnerStatistics> {
    return this.#call('statistics', (runner) => runner.statistics());
  }

  allocatorStatistics(): Promise<Readonly<Record<string, number>>> {
    return this.#call('allocatorStatistics', async (runner) => {
      const figures = Object.entries(await runner.allocatorStatistics());
      return Object.fromEntries(figures.map(([name, value]) => [name, Number(value)]));
    });
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#runner.dispose(); // after the calls already made: they are served in order
    return this.#disposal;
  }

  async #call<Result>(name: string, call: (runner: AddonRunner) => Promise<Result>): Promise<Result> {
    if (this.#disposal) {
      throw new DisposedError('INHOUSE_DISPOSED', `The runner was disposed: it cannot ${name}.`);
    }
    try {
      return await call(this.#runner);
    } catch (failure) {
      throw toError(failure, 'INHOUSE_RUNTIME_STEP');
    }
  }
}

const doubles = (values: readonly number[]) => Float64Array.from(values);

/** The keys are those of ONNX Runtime's CUDA provider. */
function cudaProviderOptions(device: DeviceSettings & { kind: 'cuda' }): Record<string, string> {
  const { id, memoryLimitBytes, arenaStrategy, tf32, cudaGraphs } = device;
  return {
    device_id: String(id),
    ...(memoryLimitBytes !== undefined && { gpu_mem_limit: String(memoryLimitBytes) }),
    arena_extend_strategy: arenaStrategy === 'same-as-requested' ? 'kSameAsRequested' : 'kNextPowerOfTwo',
    use_tf32: tf32 ? '1' : '0',
    enable_cuda_graph: cudaGraphs ? '1' : '0',
  };
}

function toAddonOptions(options: NativeRunnerOptions): AddonRunnerOptions {
  const { layers, heads, headSize, width, vocabularySize, contextLength } = options.config;
  const { device, executionProvider } = options;
  const cuda = device?.kind === 'cuda' ? device : undefined;
  return {
    libraryFile: options.libraryFile ?? onnxRuntimeLibrary(),
    graphFile: options.graphFile,
    weightsFolder: options.weightsFolder,
    threads: options.threads,
    spinning: options.spinning ?? true,
    ownProducts: (options.products ?? 'own') === 'own',
    optimizationLevel: OPTIMIZATION_LEVELS[options.optimization ?? 'all'],
    profilePrefix: options.profilePrefix ?? '',
    executionProvider: executionProvider?.name ?? '',
    executionProviderOptions: cuda ? cudaProviderOptions(cuda) : (executionProvider?.options ?? {}),
    device: device?.kind ?? '',
    deviceId: cuda?.id ?? 0,
    cudaGraphs: cuda?.cudaGraphs ?? false,
    kvSeparateHeads: options.kv.layout === 'heads',
    kvElementBytes: options.kv.elementType === 'float16' ? 2 : 4,
    candidates: options.candidates,
    layers,
    heads,
    headSize,
    width,
    vocabularySize,
    contextLength,
    maxRows: options.maxRows,
  };
}

/** `otherwise` is the code for what the addon did not expect, such as a thread that the system refuses. */
function toError(failure: unknown, otherwise: 'INHOUSE_RUNTIME_LOAD' | 'INHOUSE_RUNTIME_STEP'): Error {
  if (failure instanceof InhouseError) return failure;
  const { code, message, details, ortCode } = failure as Partial<AddonFailure>;
  const facts = { cause: failure, details: { ...details, ...(ortCode !== undefined && { ortCode }) } };
  switch (code) {
    case 'INHOUSE_INVALID_TOKEN':
      return new InvalidInputError(code, message!, facts);
    case 'INHOUSE_DISPOSED':
      return new DisposedError(code, message!, facts);
    case 'INHOUSE_RUNTIME_LOAD':
    case 'INHOUSE_RUNTIME_STEP':
    case 'INHOUSE_ROW_INVALID':
    case 'INHOUSE_ROW_FULL':
      return new RunnerError(code satisfies ErrorCode, message!, facts);
    default:
      return new RunnerError(otherwise, `The native addon failed: ${message ?? String(failure)}`, facts);
  }
}
