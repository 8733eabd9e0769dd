// GPT-2 as an ONNX graph for ONNX Runtime: one builder for every way the weights can be stored, and every form.
//
// Per layer (operator contracts: docs/graph.md):
//   SkipLayerNormalization -> c_attn -> attention -> c_proj
//   -> SkipLayerNormalization -> c_fc -> FastGelu | BiasGelu -> c_proj
// The residual stream is output 3 of each SkipLayerNormalization, which also adds the bias of the projection before it.
import type { Gpt2Config } from '../checkpoint/config.js';
import { parameterShapes } from '../checkpoint/parameters.js';
import { cachedAttention, groupedAttention, scatterAttention } from './attention.js';
import { BLOCKWISE_MATMUL } from './blockwise-matmul.js';
import { writeCandidates } from './candidates.js';
import type { GraphForm } from './form.js';
import { io } from './io.js';
import { DataType } from './onnx-format.js';
import type { StoredWeight } from './quantize/weights-file.js';
import { GraphWeights } from './weights.js';
import { GraphWriter, MICROSOFT } from './writer.js';

const ATTENTION = { cached: cachedAttention, grouped: groupedAttention, scatter: scatterAttention } as const;

/** TensorScatter, and the Attention that goes with it, came with opset 24. */
const SCATTER_OPSET = 24;

/**
 * `stored` has the parameters of the checkpoint by their canonical names. Everything between matrices is of the form's
 * element type, however the weights are stored.
 */
export function buildGpt2Graph(
  config: Gpt2Config,
  stored: ReadonlyMap<string, StoredWeight>,
  form: GraphForm,
): Uint8Array {
  const writer = new GraphWriter();
  const weights = new GraphWeights(writer, parameterShapes(config), stored, form);
  const { elementType } = weights;
  const { layers, width, vocabularySize } = config;
  if (form.integerProducts) writer.function(BLOCKWISE_MATMUL);
  const attend = ATTENTION[form.attention](writer, config, elementType);
  const hidden = elementType === DataType.float ? io.hidden : 'hidden.narrow';

  writer.input(io.inputIds, DataType.int64, ['B', 'S']);
  writer.input(io.positionIds, DataType.int64, ['B', 'S']);
  writer.input(io.seqlensK, DataType.int32, ['B']);
  writer.input(io.totalSequenceLength, DataType.int32, []);
  writer.input(io.logitsIndex, DataType.int64, ['K']);
  writer.output(io.logits, DataType.float, ['K', vocabularySize]);
  writer.output(io.hidden, DataType.float, ['B', 'S', width]);

  /** Adds `bias` and the residual to x, and normalises: returns the names of [normalised, residual], both [B, S, D]. */
  const addAndNormalise = (x: string, residual: string, norm: string, bias?: string): [string, string] => {
    const normalised = norm === 'ln_f' ? hidden : `${norm}.out`;
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
    if (form.qkv) writer.output(io.qkv(layer), DataType.float, ['B', 'S', 3 * width]);
    weights.product(x, `${h}.attn.c_attn.weight`, io.qkv(layer), `${h}.attn.c_attn.bias`);
    attend(layer, io.qkv(layer), `${h}.attn.out`);
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

  if (hidden !== io.hidden) writer.node('Cast', [hidden], [io.hidden], { to: DataType.float });
  // Only the wanted rows meet the vocabulary: over all of a long prompt the head would cost more than the layers.
  writer.node('Reshape', [io.hidden, writer.int64('hidden.rows', [-1, width])], ['hidden.flat']);
  writer.node('Gather', ['hidden.flat', io.logitsIndex], ['hidden.wanted']);
  const head = config.tiedEmbeddings ? 'wte.weight' : 'lm_head.weight'; // [V, D]
  weights.product('hidden.wanted', head, io.logits);
  if (form.candidates > 0) writeCandidates(writer, form.candidates);

  return form.attention === 'scatter' ? writer.encode('gpt2', SCATTER_OPSET) : writer.encode('gpt2');
}
