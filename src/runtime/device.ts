// Which device a model computes on: from the user's word to settings, and what speaks against a GPU. Pure.
import type { GpuStatistics } from './native/memory.js';
import type { DeviceSettings, DeviceStatistics, KvForm } from './runner.js';

/** 'cuda' is 'cuda:0'. 'auto' takes 'cuda:0' where that works, else the CPU. */
export type DeviceChoice = 'auto' | 'cpu' | 'cuda' | `cuda:${number}`;

/** How ONNX Runtime uses an NVIDIA GPU. */
export interface CudaOptions {
  /** Most that it may take of the device's memory, for weights, KV cache and workspace. Default: all there is. */
  readonly memoryLimitBytes?: number;
  /**
   * How it asks the device for more memory: as much as is needed (default), or twice as much each time, which asks less
   * often and keeps more.
   */
  readonly arenaStrategy?: 'same-as-requested' | 'next-power-of-two';
  /** Let products of float32 round their inputs to TensorFloat-32 (10 bits): faster, at FP32 only. Default false. */
  readonly tf32?: boolean;
  /** Replay decode steps as CUDA graphs: fewer launches from the processor. Default false. */
  readonly cudaGraphs?: boolean;
}

export type ParsedDevice = { readonly kind: 'auto' | 'cpu' } | { readonly kind: 'cuda'; readonly id: number };

export type CudaSettings = Extract<DeviceSettings, { kind: 'cuda' }>;

/** What the driver's context, the libraries' own buffers and a step's workspace take besides weights and KV. */
const WORKING_BYTES = 600e6;

/** Undefined for a word that means no device. */
export function parseDevice(word: unknown): ParsedDevice | undefined {
  if (word === 'auto' || word === 'cpu') return { kind: word };
  const cuda = typeof word === 'string' && /^cuda(?::(\d{1,3}))?$/.exec(word);
  return cuda ? { kind: 'cuda', id: Number(cuda[1] ?? 0) } : undefined;
}

export function cudaSettings(id: number, options: CudaOptions = {}): CudaSettings {
  const { memoryLimitBytes, arenaStrategy = 'same-as-requested', tf32 = false, cudaGraphs = false } = options;
  return { kind: 'cuda', id, memoryLimitBytes, arenaStrategy, tf32, cudaGraphs };
}

/** Bytes of keys and values of so many positions. */
export function kvBytes(
  { layers, width }: { readonly layers: number; readonly width: number },
  { elementType }: Pick<KvForm, 'elementType'>,
  positions: number,
): number {
  return 2 * layers * width * (elementType === 'float16' ? 2 : 4) * positions;
}

export interface MemoryNeed {
  readonly weightBytes: number;
  /** Of one sequence of the full context. */
  readonly kvBytes: number;
  readonly memoryLimitBytes: number | undefined;
}

/**
 * Why no GPU of the machine has room for a model; undefined where one may. GPUs are not told apart: which of them is
 * CUDA's first is for CUDA to say, so this only spares an attempt that must fail.
 */
export function memoryObstacle(gpus: readonly GpuStatistics[], need: MemoryNeed): string | undefined {
  const freeBytes = Math.max(...gpus.map((gpu) => gpu.freeBytes));
  return shortage(freeBytes, need.weightBytes + need.kvBytes + WORKING_BYTES, need.memoryLimitBytes);
}

/** Why a device on which the weights lie already has no room for a sequence; undefined where it has. */
export function kvObstacle(
  { freeBytes }: Pick<DeviceStatistics, 'freeBytes'>,
  need: MemoryNeed,
): string | undefined {
  return shortage(freeBytes, need.kvBytes);
}

function shortage(freeBytes: number, neededBytes: number, limitBytes = freeBytes): string | undefined {
  const available = Math.min(freeBytes, limitBytes);
  if (available >= neededBytes) return undefined;
  const who = limitBytes < freeBytes ? 'cuda.memoryLimitBytes allows' : 'the GPU has free';
  return `The model needs ${megabytes(neededBytes)} on a GPU; ${who} ${megabytes(available)}.`;
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`;
}
