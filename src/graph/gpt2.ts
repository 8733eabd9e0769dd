// GPT-2 as an ONNX graph for ONNX Runtime: one builder for every way the weights can be stored.
//
// Per layer (operator contracts: docs/graph.md):
//   SkipLayerNormalization -> c_attn -> CachedAttention -> c_proj
//   -> SkipLayerNormalization -> c_fc -> FastGelu | BiasGelu -> c_proj
// The residual stream is output 3 of each SkipLayerNormalization, which also adds the bias of the projection before it.
import type { Gpt2Config } from '../checkpoint/config.js';
import { parameterShapes } from '../checkpoint/parameters.js';
import { BLOCKWISE_MATMUL } from './blockwise-matmul.js';
import { CACHED_ATTENTION, INHOUSE } from './cached-attention.js';
import { io } from './io.js';
import { DataType } from './onnx-format.js';
import { GraphWeights, type WeightLocator } from './weights.js';
import { GraphWriter, MICROSOFT } from './writer.js';

/** Inputs, outputs and everything between matrices are float32, however the weights are stored. */
export function buildGpt2Graph(config: Gpt2Config, locate: WeightLocator): Uint8Array {
  const writer = new GraphWriter();
  const weights = new GraphWeights(writer, parameterShapes(config), locate);
  const { layers, heads, headSize, width, vocabularySize } = config;
  writer.function(CACHED_ATTENTION);
  writer.function(BLOCKWISE_MATMUL);

  writer.input(io.inputIds, DataType.int64, ['B', 'S']);
  writer.input(io.positionIds, DataType.int64, ['B', 'S']);
  writer.input(io.seqlensK, DataType.int32, ['B']);
  writer.input(io.totalSequenceLength, DataType.int32, []);
  writer.input(io.logitsIndex, DataType.int64, ['K']);
  writer.output(io.logits, DataType.float, ['K', vocabularySize]);
  writer.output(io.hidden, DataType.float, ['B', 'S', width]);

  /** Adds `bias` and the residual to x, and normalises: returns the names of [normalised, residual], both [B, S, D]. */
  const addAndNormalise = (x: string, residual: string, norm: string, bias?: string): [string, string] => {
    const normalised = norm === 'ln_f' ? io.hidden : `${norm}.out`;
    const sum = norm === 'ln_f' ? '' : `${norm}.residual`; // nothing follows the last one
    const inputs = [x, residual, weights.value(`${norm}.weight`), weights.value(`${norm}.bias`)];
    if (bias !== undefined) inputs.push(weights.value(bias));
    const epsilon = { float: config.layerNormEpsilon };
    writer.node('SkipLayerNormalization', inputs, [normalised, '', '', sum], { epsilon }, MICROSOFT);
    return [normalised, sum];
  };

  weights.lookUp('wte.weight', io.inputIds, 'token_embedding');
  weights.lookUp('wpe.weight', io.positionIds, 'position_embedding');
  let [x, residual] = addAndNormalise('token_embedding', 'position_embedding', 'h.0.ln_1');

  for (let layer = 0; layer < layers; layer++) {
    const h = `h.${layer}`;
    for (const past of [io.pastKey(layer), io.pastValue(layer)]) {
      writer.input(past, DataType.float, ['B', heads, 'P', headSize]);
    }
    writer.output(io.qkv(layer), DataType.float, ['B', 'S', 3 * width]);

    weights.product(x, `${h}.attn.c_attn.weight`, io.qkv(layer), `${h}.attn.c_attn.bias`);
    writer.node(
      CACHED_ATTENTION.name,
      [io.qkv(layer), io.pastKey(layer), io.pastValue(layer), io.seqlensK, io.totalSequenceLength],
      [`${h}.attn.out`],
      { num_heads: heads, scale: { float: config.attentionScales[layer]! } },
      INHOUSE,
    );
    weights.product(`${h}.attn.out`, `${h}.attn.c_proj.weight`, `${h}.attn.projected`);
    [x, residual] = addAndNormalise(`${h}.attn.projected`, residual, `${h}.ln_2`, `${h}.attn.c_proj.bias`);

    weights.product(x, `${h}.mlp.c_fc.weight`, `${h}.mlp.product`);
    const gelu = config.activation === 'gelu_tanh' ? 'FastGelu' : 'BiasGelu';
    const added = [`${h}.mlp.product`, weights.value(`${h}.mlp.c_fc.bias`)];
    writer.node(gelu, added, [`${h}.mlp.active`], {}, MICROSOFT);
    weights.product(`${h}.mlp.active`, `${h}.mlp.c_proj.weight`, `${h}.mlp.projected`);
    const nextNorm = layer + 1 < layers ? `h.${layer + 1}.ln_1` : 'ln_f';
    [x, residual] = addAndNormalise(`${h}.mlp.projected`, residual, nextNorm, `${h}.mlp.c_proj.bias`);
  }

  // Only the wanted rows meet the vocabulary: over all of a long prompt the head would cost more than the layers.
  writer.node('Reshape', [io.hidden, writer.int64('hidden.rows', [-1, width])], ['hidden.flat']);
  writer.node('Gather', ['hidden.flat', io.logitsIndex], ['hidden.wanted']);
  const head = config.tiedEmbeddings ? 'wte.weight' : 'lm_head.weight'; // [V, D]
  weights.product('hidden.wanted', head, io.logits);

  return writer.encode('gpt2');
}
