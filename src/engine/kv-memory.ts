// How much memory the KV cache may take when nobody says so: a share of what is free, under a container's limit too.
import { freemem } from 'node:os';
import { cgroupMemoryLimit } from '../runtime/native/memory.js';

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

function readMemory(): MemoryReadings {
  return {
    freeBytes: freemem(),
    limitBytes: cgroupMemoryLimit(),
    residentBytes: process.memoryUsage.rss(),
  };
}
