// How fast the memory is that a setup reads its weights from.
import { copyBandwidth, readBandwidth } from '../../src/runtime/native/memory.js';
import { gpuNumber } from './devices.js';
import type { Setup } from './plan.js';

/** Bytes copied at once, far more than a GPU's caches hold, and how often. */
const COPY_BYTES = 2 ** 28;
const COPIES = 10;

/** Bytes per second: on the CPU read by so many threads, on a GPU read and written by copies. */
export function bandwidthOf({
  device,
  threads,
}: Pick<Setup, 'device' | 'threads'>): Promise<number | undefined> {
  return device.startsWith('cuda')
    ? copyBandwidth(gpuNumber(device), COPY_BYTES, COPIES)
    : readBandwidth(threads);
}
