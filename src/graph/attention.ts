// Attention over the KV cache of a layer: the ways in which graphs do it. Operator contracts: docs/graph.md.
import type { Gpt2Config } from '../checkpoint/config.js';
import { CACHED_ATTENTION, INHOUSE } from './cached-attention.js';
import { io } from './io.js';
import { DataType } from './onnx-format.js';
import { type GraphWriter, MICROSOFT } from './writer.js';

/** Adds a layer's attention: `qkv` is [B, S, 3 * D], queries, keys and values side by side; `output` is [B, S, D]. */
export type AttentionWriter = (layer: number, qkv: string, output: string) => void;

/** Our own operator, which leaves nothing to put out: the new keys and values are where they belong. KV [R, N, P, H]. */
export function cachedAttention(
  writer: GraphWriter,
  { heads, headSize, attentionScales }: Gpt2Config,
  elementType: DataType,
): AttentionWriter {
  writer.function(CACHED_ATTENTION);
  writer.input(io.kvRows, DataType.int32, ['B']);
  return (layer, qkv, output) => {
    const past = [io.pastKey(layer), io.pastValue(layer)];
    for (const name of past) writer.input(name, elementType, ['R', heads, 'P', headSize]);
    writer.node(
      CACHED_ATTENTION.name,
      [qkv, ...past, io.kvRows, io.seqlensK, io.totalSequenceLength],
      [output],
      { num_heads: heads, scale: { float: attentionScales[layer]! } },
      INHOUSE,
    );
  };
}

/** The operator writes the new keys and values to the cache itself. KV [B, N, P, H]. */
export function groupedAttention(
  writer: GraphWriter,
  { heads, headSize, attentionScales }: Gpt2Config,
  elementType: DataType,
): AttentionWriter {
  return (layer, qkv, output) => {
    const past = [io.pastKey(layer), io.pastValue(layer)];
    const present = [io.presentKey(layer), io.presentValue(layer)];
    for (const name of past) writer.input(name, elementType, ['B', heads, 'P', headSize]);
    for (const name of present) writer.output(name, elementType, ['B', heads, 'T', headSize]);
    writer.node(
      'GroupQueryAttention',
      [qkv, '', '', ...past, io.seqlensK, io.totalSequenceLength],
      [output, ...present],
      { num_heads: heads, kv_num_heads: heads, scale: { float: attentionScales[layer]! } },
      MICROSOFT,
    );
  };
}

/**
 * New keys and values are written to where each row's past ends; then attention reads each row's valid positions, of which
 * the last S belong to the new queries. KV [B, P, D].
 */
export function scatterAttention(
  writer: GraphWriter,
  { heads, width, attentionScales }: Gpt2Config,
  elementType: DataType,
): AttentionWriter {
  writer.node('Gather', [io.positionIds, writer.int64('first', 0)], ['past_lengths'], { axis: 1 });
  writer.node('Cast', [io.seqlensK], ['last_positions'], { to: DataType.int64 });
  writer.node('Add', ['last_positions', writer.int64('one', 1)], ['valid_lengths']);

  return (layer, qkv, output) => {
    const parts = ['query', 'key', 'value'].map((part) => `${qkv}.${part}`);
    const [query, ...updates] = parts as [string, string, string];
    writer.node('Split', [qkv], parts, { axis: 2, num_outputs: 3 });
    const pasts = [io.pastKey(layer), io.pastValue(layer)];
    const presents = [io.presentKey(layer), io.presentValue(layer)];
    for (const [i, past] of pasts.entries()) {
      writer.input(past, elementType, ['B', 'P', width]);
      writer.output(presents[i]!, elementType, ['B', 'P', width]);
      writer.node('TensorScatter', [past, updates[i]!, 'past_lengths'], [presents[i]!], { axis: 1 });
    }
    writer.node('Attention', [query, ...presents, '', '', '', 'valid_lengths'], [output], {
      is_causal: 1,
      q_num_heads: heads,
      kv_num_heads: heads,
      scale: { float: attentionScales[layer]! },
    });
  };
}
