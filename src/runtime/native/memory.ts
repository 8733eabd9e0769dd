// What this process and the machine's GPUs have and use of memory, as the native addon reads it.
import { type GpuStatistics, nativeAddon, type ProcessMemory } from './addon.js';

export type { GpuStatistics, ProcessMemory } from './addon.js';

/** Undefined where the addon does not load. Costs some tens of microseconds. */
export function processMemory(): ProcessMemory | undefined {
  const native = nativeAddon();
  return native.loaded ? native.addon.processMemory() : undefined;
}

/** The memory limit in bytes that a container or service manager set for this process (Linux), if there is one. */
export function cgroupMemoryLimit(root = '/'): number | undefined {
  const native = nativeAddon();
  return native.loaded ? native.addon.cgroupMemoryLimit(root) : undefined;
}

/** NVIDIA GPUs, told by the driver's library NVML; an empty list where there are none, or no driver, or no addon. */
export async function gpuStatistics(nvmlFile = ''): Promise<readonly GpuStatistics[]> {
  const native = nativeAddon();
  return native.loaded ? native.addon.gpus(nvmlFile) : [];
}

/**
 * Bytes per second that `threads` threads together read from memory that no cache holds: what bounds a decode step.
 * Undefined where the addon does not load. Takes about a second and half a gigabyte.
 */
export async function readBandwidth(threads: number): Promise<number | undefined> {
  const native = nativeAddon();
  return native.loaded ? native.addon.readBandwidth(threads) : undefined;
}

/**
 * Bytes per second, read and written together, of copying `bytes` from one place of a GPU's memory to another, as often
 * as `repetitions`. Undefined where the addon does not load; throws what the addon throws where there is no such GPU.
 */
export async function copyBandwidth(
  deviceId: number,
  bytes: number,
  repetitions: number,
): Promise<number | undefined> {
  const native = nativeAddon();
  return native.loaded ? native.addon.deviceCopyBandwidth(deviceId, bytes, repetitions) : undefined;
}
