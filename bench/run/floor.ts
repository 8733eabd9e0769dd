// The least time that one decode step of a single row can take: what it must read, over the memory's bandwidth.
// No cache holds the weights of a model worth measuring, so every step reads all of them once. Pure.
import type { Gpt2Config } from '../../src/checkpoint/config.js';
import { parameterShapes } from '../../src/checkpoint/parameters.js';
import { parsePrecision, weightSchemes } from '../../src/graph/precision.js';
import { planWeightsFile, type StoredWeight } from '../../src/graph/quantize/weights-file.js';
import type { ExternalTensor } from '../../src/graph/writer.js';

/**
 * Bytes of weights that one step reads: the matrices of all layers and the head, which counts once also where it is
 * the token embedding. Biases, norms and single rows of the embeddings are left out: together below 0.2 % at FP32.
 * `precision` is a label.
 */
export function weightBytesPerStep(config: Gpt2Config, precision: string): number {
  const shapes = [...parameterShapes(config)].map(([name, shape]) => [name, { shape }] as const);
  const schemes = weightSchemes(parsePrecision(precision), config);
  const { weights } = planWeightsFile(new Map(shapes), schemes, '');
  const lookedUp = config.tiedEmbeddings ? ['wpe.weight'] : ['wpe.weight', 'wte.weight'];
  return shapes
    .filter(([name, { shape }]) => shape.length === 2 && !lookedUp.includes(name))
    .reduce((sum, [name]) => sum + bytesRead(weights.get(name)!), 0);
}

/** Shorter floats, those of scales too, are widened at load: from then on a step reads float32. */
function bytesRead({ scheme, data, scales, zeroPoints }: StoredWeight): number {
  if (scheme.kind === 'float') return float32Bytes(data);
  return data.byteLength + float32Bytes(scales!) + (zeroPoints?.byteLength ?? 0);
}

function float32Bytes({ shape }: ExternalTensor): number {
  return shape.reduce((product, size) => product * size, Float32Array.BYTES_PER_ELEMENT);
}

/** KV positions that a step reads, averaged over `newTokens` steps of a row that holds `depth` before the first. */
export function meanPositions(depth: number, newTokens: number): number {
  return depth + (newTokens + 1) / 2;
}

/** Milliseconds to read so many bytes. */
export function floorMs(bytes: number, bandwidthBytesPerSecond: number): number {
  return (bytes / bandwidthBytesPerSecond) * 1000;
}
