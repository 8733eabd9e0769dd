// The index of a sharded checkpoint (`model.safetensors.index.json`): which shard holds which tensor.
import { CheckpointError } from '../errors.js';

/**
 * Tensor name -> shard file name, from the parsed index at `path` (for messages).
 * Shards lie beside the index: names with any path in them are refused.
 * @throws CheckpointError `INHOUSE_SAFETENSORS_INDEX`
 */
export function parseWeightMap(json: unknown, path: string): ReadonlyMap<string, string> {
  const invalid = (problem: string): CheckpointError =>
    new CheckpointError('INHOUSE_SAFETENSORS_INDEX', `${path}: ${problem}`, { details: { file: path } });
  const map = (json as { readonly weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw invalid('weight_map must be an object of tensor names and shard file names.');
  for (const [name, shard] of Object.entries(map) as [string, unknown][])
    if (typeof shard !== 'string' || !/^(?!\.{1,2}$)[^/\\:\0]+$/.test(shard))
      throw invalid(`${name} is mapped to ${JSON.stringify(shard)}, which is not a plain file name.`);
  return new Map(Object.entries(map as Record<string, string>));
}
