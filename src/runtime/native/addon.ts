// The compiled addon as TypeScript sees it: its types, and where it is loaded from. native/ is its source.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { onDisk, packageRoot } from '../../package-root.js';
import type { RunnerStatistics, SamplingSettings, TokenChoice } from '../runner.js';

/** Everything is set: defaults are the caller's business. */
export interface AddonRunnerOptions {
  readonly libraryFile: string;
  readonly graphFile: string;
  readonly weightsFolder: string;
  readonly threads: number;
  readonly spinning: boolean;
  readonly ownProducts: boolean;
  readonly optimizationLevel: number;
  readonly profilePrefix: string;
  readonly executionProvider: string;
  /** Of the execution provider, or of CUDA's where that is the device. */
  readonly executionProviderOptions: Readonly<Record<string, string>>;
  /** Empty for the CPU. */
  readonly device: '' | 'cuda' | 'cpu-as-device';
  readonly deviceId: number;
  readonly cudaGraphs: boolean;
  /** The KV of a layer is [rows, heads, positions, headSize]; else [rows, positions, width]. */
  readonly kvSeparateHeads: boolean;
  readonly kvElementBytes: 2 | 4;
  readonly candidates: number;
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  readonly width: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly maxRows: number;
}

/** Token ids cross as they are, in doubles: the addon checks them. */
export interface AddonRowOptions {
  readonly capacity: number;
  readonly prompt: Float64Array;
  readonly output: Float64Array;
  readonly sampling: Omit<SamplingSettings, 'logitBias' | 'stopTokenIds'> & {
    readonly biasIds: Float64Array;
    readonly biasValues: Float64Array;
    readonly stopTokenIds: Float64Array;
  };
}

export interface AddonScore {
  readonly logprobs: Float64Array;
  readonly argmax: Int32Array;
  readonly logits?: Float32Array;
}

/** Promises reject with an `AddonFailure`. Calls are served in order, on a thread of the runner's own. */
export interface AddonRunner {
  /** ONNX Runtime's version. Comes before all other calls. */
  load(): Promise<string>;
  openRow(row: number, options: AddonRowOptions): Promise<void>;
  prefill(row: number, tokens: Float64Array, sample: boolean): Promise<TokenChoice | undefined>;
  decode(rows: number, steps: number): Promise<TokenChoice[][]>;
  moveRow(from: number, to: number): Promise<void>;
  copyPrefix(from: number, to: number, length: number): Promise<void>;
  truncateRow(row: number, length: number): Promise<void>;
  closeRow(row: number): Promise<void>;
  score(tokens: Float64Array, from: number, logits: boolean): Promise<AddonScore>;
  embed(tokens: Float64Array, mean: boolean): Promise<Float32Array>;
  statistics(): Promise<RunnerStatistics>;
  allocatorStatistics(): Promise<Record<string, string>>;
  dispose(): Promise<void>;
}

export interface AddonFailure {
  readonly code: string;
  readonly message: string;
  readonly details: Readonly<Record<string, number>>;
  /** ONNX Runtime's own error code, where it was the one that failed. */
  readonly ortCode?: number;
}

/** Bytes. Figures that the system does not tell are absent. */
export interface ProcessMemory {
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** Of the resident bytes: the process's own, and those of mapped files. */
  readonly privateBytes?: number;
  readonly mappedBytes?: number;
}

/** Figures that the device does not tell are absent. */
export interface GpuStatistics {
  readonly name: string;
  readonly totalBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /** Held by this process. */
  readonly processBytes?: number;
  readonly utilisationPercent?: number;
  readonly temperatureCelsius?: number;
  readonly powerMilliwatts?: number;
}

export interface Addon {
  readonly Runner: new (options: AddonRunnerOptions) => AddonRunner;
  /** The processor's instructions that products of 8 and 4 bits use; undefined where they are left to ONNX Runtime. */
  readonly productKernel?: string;
  processMemory(): ProcessMemory;
  /** Reads below `root`, which ends with a slash. */
  cgroupMemoryLimit(root: string): number | undefined;
  /** `library` is NVML's file; empty for the system's. */
  gpus(library: string): Promise<GpuStatistics[]>;
  /** Bytes per second that this many threads read together from memory that no cache holds. Takes about a second. */
  readBandwidth(threads: number): Promise<number>;
  /**
   * Bytes read plus bytes written per second of a copy of `bytes` within a GPU: the median of `repetitions`. Rejects with
   * an error that says why where there is no such GPU or no memory for two blocks of that size.
   */
  deviceCopyBandwidth(deviceId: number, bytes: number, repetitions: number): Promise<number>;
}

export type NativeAddon =
  | { readonly loaded: true; readonly file: string; readonly addon: Addon }
  | { readonly loaded: false; readonly reason: string };

let found: NativeAddon | undefined;

/** The addon: a prebuilt one of this package, else one that was built in it, else the reason why there is none. */
export function nativeAddon(): NativeAddon {
  found ??= findAddon(onDisk(packageRoot()));
  return found;
}

/** Where an addon may be below a package's root, in the order of preference. */
export function addonFiles(root: string): string[] {
  return [
    join(root, 'prebuilds', `${process.platform}-${process.arch}`, 'inhouse.node'),
    join(root, 'build', 'Release', 'inhouse.node'),
  ];
}

export function findAddon(root: string): NativeAddon {
  const files = addonFiles(root);
  const present = files.filter((file) => existsSync(file));
  if (present.length === 0) {
    return { loaded: false, reason: `there is no native addon: neither ${files.join(' nor ')} exists` };
  }
  const reasons: string[] = [];
  for (const file of present) {
    try {
      return { loaded: true, file, addon: createRequire(import.meta.url)(file) as Addon };
    } catch (error) {
      reasons.push(`${file} does not load: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { loaded: false, reason: reasons.join('; ') };
}
