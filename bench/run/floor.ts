// The least time that one decode step of a single row can take: what it must read, over the memory's bandwidth.
// No cache holds the weights of a model worth measuring, so every step reads all of them once. Pure.
import type { Gpt2Config } from '../../src/checkpoint/config.js';
import type { RunnerInfo } from '../../src/runtime/runner.js';

const BYTES_PER_WEIGHT: Readonly<Record<RunnerInfo['precision'], number>> = { fp32: 4 };

/**
 * Bytes of weights that one step reads: the matrices of all layers and the head, which counts once also where it is
 * the token embedding. Biases, norms and single rows of the embeddings are left out: together below 0.2 %.
 */
export function weightBytesPerStep(config: Gpt2Config, precision: RunnerInfo['precision']): number {
  const { layers, width, innerWidth, vocabularySize } = config;
  const attention = width * 3 * width + width * width; // c_attn [D, 3 * D], c_proj [D, D]
  const mlp = 2 * width * innerWidth; // c_fc [D, I], c_proj [I, D]
  const head = vocabularySize * width; // [V, D]
  return (layers * (attention + mlp) + head) * BYTES_PER_WEIGHT[precision];
}

/** KV positions that a step reads, averaged over `newTokens` steps of a row that holds `depth` before the first. */
export function meanPositions(depth: number, newTokens: number): number {
  return depth + (newTokens + 1) / 2;
}

/** Milliseconds to read so many bytes. */
export function floorMs(bytes: number, bandwidthBytesPerSecond: number): number {
  return (bytes / bandwidthBytesPerSecond) * 1000;
}
