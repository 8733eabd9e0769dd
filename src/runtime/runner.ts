// What one loaded model can do, whoever computes it: the contract between the engine and the runners.
// A runner holds KV rows and samples; it knows nothing of requests, text, stop strings or fairness.
import type { Gpt2Config } from '../checkpoint/config.js';
import type { KvForm } from '../graph/io.js';

export type { KvForm } from '../graph/io.js';

/** How the next token of a row is chosen. All fields are set: the defaults are the engine's business. */
export interface SamplingSettings {
  /** 0 is greedy: the largest logit after bias and penalties, ties to the smaller id. */
  readonly temperature: number;
  /** Keep the k largest logits; 0 keeps all. */
  readonly topK: number;
  /** Keep the smallest set of tokens whose probability reaches topP; 1 keeps all. */
  readonly topP: number;
  /** Keep tokens at least minP times as probable as the most probable one; 0 keeps all. */
  readonly minP: number;
  /** Logits of tokens in the prompt or output are divided (positive) or multiplied (negative) by this; 1 is off. */
  readonly repetitionPenalty: number;
  /** Subtracted once from the logit of every token in the output; 0 is off. */
  readonly presencePenalty: number;
  /** Subtracted per occurrence from the logit of every token in the output; 0 is off. */
  readonly frequencyPenalty: number;
  /** Added to the logits: ids [n], values [n]. */
  readonly logitBias: { readonly ids: readonly number[]; readonly values: readonly number[] };
  /** Key of the random generator, an integer in [0, 2^53). */
  readonly seed: number;
  /** Separates the n choices of one request that share a seed. */
  readonly stream: number;
  /** Tokens that end the sequence. Never sampled before the output has `minTokens` tokens. */
  readonly stopTokenIds: readonly number[];
  readonly minTokens: number;
  /** Number of alternatives to report beside the chosen token; undefined reports no log-probabilities at all. */
  readonly logprobs: number | undefined;
}

export interface RowOptions {
  /** KV positions to provide, in tokens; at most the model's context length. */
  readonly capacity: number;
  readonly sampling: SamplingSettings;
  /** Token history for penalties and for the position of the next draw; independent of what the KV row holds. */
  readonly prompt: readonly number[];
  /** Tokens already generated (not empty when a sequence is recomputed). The next draw is number `output.length`. */
  readonly output: readonly number[];
}

export interface TokenLogprob {
  readonly token: number;
  /** Natural logarithm of the probability under the model itself, before bias, penalties and temperature. */
  readonly logprob: number;
}

/** One sampled token. */
export interface TokenChoice {
  readonly token: number;
  readonly logprob?: number;
  /** Most probable first; the chosen token may be among them. Empty when none were asked for. */
  readonly topLogprobs?: readonly TokenLogprob[];
}

export interface ScoreOptions {
  /** First position whose log-probability is wanted, >= 1; default 1. */
  readonly from?: number;
  /** Also return the raw logits that predicted each wanted position: n * vocabularySize floats. Default false. */
  readonly logits?: boolean;
}

/** For wanted positions from..tokens.length-1, each given all tokens before it. */
export interface ScoreResult {
  readonly logprobs: Float64Array; // [n], natural logarithm
  readonly argmax: Int32Array; // [n], the model's own first choice
  readonly logits?: Float32Array; // [n, V]
}

export interface KvStatistics {
  /** 2 * layers * width * bytes per element. */
  readonly bytesPerToken: number;
  readonly tokensHeld: number;
  readonly tokensHeldPeak: number;
  /** tokensHeld * bytesPerToken. */
  readonly usedBytes: number;
  /** Memory that backs the rows now. */
  readonly committedBytes: number;
  readonly committedBytesPeak: number;
  /** Address space set aside; committedBytes where memory is not reserved ahead. */
  readonly reservedBytes: number;
  /** Bytes moved by row moves, prefix copies and re-layouts since load. */
  readonly copiedBytes: number;
}

/** Bytes on the device a runner computes on. Figures that the driver does not tell are absent. */
export interface DeviceStatistics {
  /** The device's own name, such as 'NVIDIA H100 80GB HBM3'. */
  readonly name: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Held by this process, by all its runners. */
  readonly processBytes?: number;
  /** Of ONNX Runtime's allocator for this runner: weights, KV blocks and the workspace of steps. */
  readonly inUseBytes: number;
  readonly inUsePeakBytes: number;
  /** What the allocator has taken from the device, in use or kept for later. */
  readonly heldBytes: number;
  /** Most that the allocator may take, where there is a limit. */
  readonly limitBytes?: number;
  /** In use when the graph had been loaded, before the first step. */
  readonly weightBytes: number;
  /** Copied from the device by steps since load: candidates, and rows of logits that these could not serve. */
  readonly fetchedBytes: number;
  readonly cudaGraphs: 'on' | 'off' | `failed: ${string}`;
}

export interface RunnerStatistics {
  readonly rowsOpen: number;
  readonly rowsOpenPeak: number;
  readonly kv: KvStatistics;
  readonly prefillTokens: number;
  readonly decodeSteps: number;
  readonly decodeTokens: number;
  /** Of a runner that keeps its rows on a device. */
  readonly device?: DeviceStatistics;
}

export interface RunnerInfo {
  readonly kind: 'portable' | 'native';
  /** 'cpu', or a GPU by its number: 'cuda:0'. */
  readonly device: string;
  /** How the weights are stored: 'fp32', 'fp16', 'int8', 'int8-channel', 'int4', or a mix such as 'int4+lm_head:int8'. */
  readonly precision: string;
  /**
   * What matrix products multiply. On the CPU: float32, also where weights are stored as float16; or 8-bit and 4-bit
   * weights with inputs rounded to 8 bits; 'mixed' where matrices differ. Everything else is float32, the KV cache too.
   * On a device: float16, or float32 at FP32; the KV cache is of the same type.
   */
  readonly computeType: 'float32' | 'float16' | 'int8' | 'mixed';
  readonly maxRows: number;
  readonly contextLength: number;
  readonly vocabularySize: number;
  readonly layers: number;
  readonly width: number;
  readonly threads: number;
  /** ONNX Runtime's version. */
  readonly runtimeVersion: string;
}

/** Where a runner computes and keeps its rows, when that is not the CPU and host memory. */
export type DeviceSettings =
  | {
      readonly kind: 'cuda';
      /** CUDA's number of the GPU, from 0. */
      readonly id: number;
      /** Most that ONNX Runtime's allocator may take for weights, KV and workspace; absent: all there is. */
      readonly memoryLimitBytes?: number | undefined;
      /** How the allocator grows: by what is asked for, or by powers of two. */
      readonly arenaStrategy: 'same-as-requested' | 'next-power-of-two';
      /** Let float32 products round their inputs to TensorFloat-32. */
      readonly tf32: boolean;
      /** Replay decode steps as CUDA graphs where they can be captured. */
      readonly cudaGraphs: boolean;
    }
  /** For tests: all that is done for a device, with host memory in its place and the CPU's kernels. */
  | { readonly kind: 'cpu-as-device' };

/** What it takes to open a runner. */
export interface RunnerOptions {
  readonly config: Gpt2Config;
  /** The `.onnx` file, and the folder of the weight files it refers to. */
  readonly graphFile: string;
  readonly weightsFolder: string;
  /** What the graph is, for `info`. */
  readonly precision: RunnerInfo['precision'];
  readonly computeType: RunnerInfo['computeType'];
  readonly kv: KvForm;
  /** Candidates per wanted row that the graph puts out beside the logits; 0: none, as every graph for the host. */
  readonly candidates: number;
  /** Default: the CPU. A device needs a graph in the form for devices, and the native runner. */
  readonly device?: DeviceSettings | undefined;
  /** Rows that can be open at once. */
  readonly maxRows: number;
  /** Threads that compute one step. */
  readonly threads: number;
}

/** What a runner opened with these options says of itself. */
export function runnerInfo(
  kind: RunnerInfo['kind'],
  options: RunnerOptions,
  runtimeVersion: string,
): RunnerInfo {
  const { config, precision, computeType, maxRows, threads, device } = options;
  const { contextLength, vocabularySize, layers, width } = config;
  return {
    kind,
    device: device?.kind === 'cuda' ? `cuda:${device.id}` : 'cpu',
    precision,
    computeType,
    maxRows,
    contextLength,
    vocabularySize,
    layers,
    width,
    threads,
    runtimeVersion,
  };
}

/**
 * Calls are served one after another in the order they were made, awaited or not. Every method rejects with
 * - `RunnerError` `INHOUSE_ROW_INVALID` for a row that is out of range, open where it must be free or the reverse, and for
 *   a capacity, length, count or position that is out of its range; `INHOUSE_ROW_FULL` for tokens beyond a row's
 *   capacity; `INHOUSE_RUNTIME_STEP` when ONNX Runtime fails, or when the logits of a row leave no token to draw;
 * - `InvalidInputError` `INHOUSE_INVALID_TOKEN` for an id outside the vocabulary, in history and settings too;
 * - `DisposedError` after `dispose`.
 * A failed call leaves all rows as they were. When only one row of several stood in its way, `details.row` names it.
 */
export interface Runner {
  readonly info: RunnerInfo;

  /** Opens a free row in 0..maxRows-1, empty. */
  openRow(row: number, options: RowOptions): Promise<void>;

  /**
   * Appends one or more tokens to a row's KV; long inputs are computed in chunks. With `sample`, also draws the token
   * that follows, which becomes the row's pending token; a pending token from before is forgotten.
   */
  prefill(row: number, tokens: readonly number[], options: { readonly sample: true }): Promise<TokenChoice>;
  prefill(
    row: number,
    tokens: readonly number[],
    options?: { readonly sample?: boolean },
  ): Promise<TokenChoice | undefined>;

  /**
   * For rows 0..rows-1 at once: feeds each row's pending token and draws the next, up to `steps` times (default 1).
   * Ends early after a step in which a row drew one of its stop tokens or filled its capacity.
   * Returns the choices of each row, oldest first; all rows get equally many.
   */
  decode(rows: number, steps?: number): Promise<ReadonlyArray<readonly TokenChoice[]>>;

  /** Moves an open row, with its pending token and sampler, into a free one; the source becomes free. */
  moveRow(from: number, to: number): Promise<void>;

  /** Copies the first `length` KV positions of one open row into another open, empty one. */
  copyPrefix(from: number, to: number, length: number): Promise<void>;

  /** Forgets KV positions from `length` on, and the pending token. The sampler's history stays as it is. */
  truncateRow(row: number, length: number): Promise<void>;

  /** Frees a row and its memory. */
  closeRow(row: number): Promise<void>;

  /** Scores 2..contextLength tokens without touching any row or its statistics. */
  score(tokens: readonly number[], options?: ScoreOptions): Promise<ScoreResult>;

  /** Final hidden states of 1..contextLength tokens, pooled to one vector [width]. */
  embed(tokens: readonly number[], pooling: 'mean' | 'last'): Promise<Float32Array>;

  statistics(): Promise<RunnerStatistics>;

  /** Releases everything; waits for the call in progress. Calling it again does nothing. */
  dispose(): Promise<void>;
}
