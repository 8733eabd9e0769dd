// The least time that one decode step of a single row can take: what it must read, over the memory's bandwidth.
// No cache holds the weights of a model worth measuring, so every step reads all of them once. Pure.
import type { Gpt2Config } from '../../src/checkpoint/config.js';
import { parameterShapes } from '../../src/checkpoint/parameters.js';
import { parsePrecision, weightSchemes } from '../../src/graph/precision.js';
import { planWeightsFile, type StoredWeight } from '../../src/graph/quantize/weights-file.js';
import type { ExternalTensor } from '../../src/graph/writer.js';
import type { RunnerInfo } from '../../src/runtime/runner.js';

/**
 * Bytes of weights that one step reads: the matrices of all layers and the head, which counts once also where it is
 * the token embedding. Biases, norms and single rows of the embeddings are left out: together below 0.2 % at FP32.
 * `precision` is a label. Floats are read as what products multiply, to which they were widened at load: float32, but
 * where that is float16 only those of the head are float32.
 */
export function weightBytesPerStep(
  config: Gpt2Config,
  precision: string,
  computeType: RunnerInfo['computeType'] = 'float32',
): number {
  const shapes = [...parameterShapes(config)].map(([name, shape]) => [name, { shape }] as const);
  const schemes = weightSchemes(parsePrecision(precision), config);
  const { weights } = planWeightsFile(new Map(shapes), schemes, '');
  const lookedUp = config.tiedEmbeddings ? ['wpe.weight'] : ['wpe.weight', 'wte.weight'];
  const floatBytes = (name: string) => (computeType === 'float16' && name.startsWith('h.') ? 2 : 4);
  return shapes
    .filter(([name, { shape }]) => shape.length === 2 && !lookedUp.includes(name))
    .reduce((sum, [name]) => sum + bytesRead(weights.get(name)!, floatBytes(name)), 0);
}

function bytesRead({ scheme, data, scales, zeroPoints }: StoredWeight, floatBytes: number): number {
  if (scheme.kind === 'float') return floatBytes * elements(data);
  return data.byteLength + floatBytes * elements(scales!) + (zeroPoints?.byteLength ?? 0);
}

function elements({ shape }: ExternalTensor): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** KV positions that a step reads, averaged over `newTokens` steps of a row that holds `depth` before the first. */
export function meanPositions(depth: number, newTokens: number): number {
  return depth + (newTokens + 1) / 2;
}

/** Milliseconds to read so many bytes. */
export function floorMs(bytes: number, bandwidthBytesPerSecond: number): number {
  return (bytes / bandwidthBytesPerSecond) * 1000;
}
