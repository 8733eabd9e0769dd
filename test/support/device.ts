// What a GPU with most of its memory free says of itself.
import type { DeviceStatistics } from '#inhouse/runtime/runner.js';

export const DEVICE: DeviceStatistics = {
  name: 'A GPU',
  totalBytes: 85e9,
  usedBytes: 5e9,
  freeBytes: 80e9,
  processBytes: 2e9,
  weightBytes: 3e8,
  inUseBytes: 4e8,
  inUsePeakBytes: 5e8,
  heldBytes: 6e8,
  fetchedBytes: 1e6,
  cudaGraphs: 'off',
};
