// How much memory the KV cache may take when nobody says so: a share of what is free where the rows are, on the device
// or in the process, under a container's limit too.
import { freemem } from 'node:os';
import { cgroupMemoryLimit } from '../runtime/native/memory.js';
import type { DeviceStatistics } from '../runtime/runner.js';

/** The rest is for the prompts' activations, the caller's own work, and other processes. */
const SHARE = 0.5;

export interface MemoryReadings {
  readonly freeBytes: number;
  /** What a container or service manager allows this process, if anything does. */
  readonly limitBytes: number | undefined;
  readonly residentBytes: number;
}

/** Never less than `leastBytes`: one sequence of the full context must have room. */
export function defaultKvLimitBytes(leastBytes: number, readings = readMemory()): number {
  const { freeBytes, limitBytes = Number.POSITIVE_INFINITY, residentBytes } = readings;
  const available = Math.min(freeBytes, limitBytes - residentBytes);
  return Math.max(leastBytes, Math.floor(available * SHARE));
}

/**
 * The same on a device, under the limit of its allocator too. What is left over is for a step's workspace, for growing,
 * which copies a layer's block at a time, and for the blocks themselves: every row gets as many positions as the longest.
 */
export function deviceKvLimitBytes(
  leastBytes: number,
  device: Pick<DeviceStatistics, 'freeBytes' | 'inUseBytes' | 'limitBytes'>,
): number {
  const { freeBytes, inUseBytes, limitBytes = Number.POSITIVE_INFINITY } = device;
  return Math.max(leastBytes, Math.floor(Math.min(freeBytes, limitBytes - inUseBytes) * SHARE));
}

function readMemory(): MemoryReadings {
  return {
    freeBytes: freemem(),
    limitBytes: cgroupMemoryLimit(),
    residentBytes: process.memoryUsage.rss(),
  };
}
