// Writes small GPT-2 checkpoints with random weights, shaped so that mistakes show: attention that prefers some
// positions, a few outlier channels as trained models have them, and logits with a spread of several units.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from './random.js';
import { type TensorToWrite, writeSafetensors } from './safetensors-writer.js';

export interface RandomCheckpoint {
  readonly seed: number;
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly activation: 'gelu_new' | 'gelu';
  readonly dtype: 'F32' | 'F16' | 'BF16';
  /** Tensor names begin with `transformer.`. */
  readonly prefix: boolean;
  /** The head is the token embedding; default true. */
  readonly tied?: boolean;
  /** Default 4 * width. */
  readonly innerWidth?: number;
  /** Default 1e-5. */
  readonly layerNormEpsilon?: number;
  /** Default true. */
  readonly scaleAttentionWeights?: boolean;
  /** Default false. */
  readonly scaleAttentionByInverseLayerIndex?: boolean;
}

/** Writes `config.json` and `model.safetensors`; the same options give the same bytes. Returns the folder. */
export function writeRandomCheckpoint(folder: string, options: RandomCheckpoint): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify(configOf(options), undefined, 2));
  writeSafetensors(join(folder, 'model.safetensors'), tensorsOf(options));
  return folder;
}

function configOf(options: RandomCheckpoint): Record<string, unknown> {
  return {
    model_type: 'gpt2',
    n_layer: options.layers,
    n_head: options.heads,
    n_embd: options.heads * options.headSize,
    n_inner: options.innerWidth ?? null,
    n_positions: options.contextLength,
    vocab_size: options.vocabularySize,
    activation_function: options.activation,
    layer_norm_epsilon: options.layerNormEpsilon ?? 1e-5,
    scale_attn_weights: options.scaleAttentionWeights ?? true,
    scale_attn_by_inverse_layer_idx: options.scaleAttentionByInverseLayerIndex ?? false,
    tie_word_embeddings: options.tied ?? true,
    bos_token_id: options.vocabularySize - 1,
    eos_token_id: options.vocabularySize - 1,
  };
}

/** One channel of every layer's output is shifted by this much, as in trained GPT-2. */
const OUTLIER_SHIFT = 15;
/** A few layer norm gains are this many times the others. */
const OUTLIER_GAIN = 5;
/** Standard deviation of the logits that a normalized hidden state without outliers gives. */
const LOGIT_SPREAD = 2;

function tensorsOf(options: RandomCheckpoint): TensorToWrite[] {
  const random = new Random(options.seed);
  const width = options.heads * options.headSize;
  const inner = options.innerWidth ?? 4 * width;
  const tensors: TensorToWrite[] = [];
  const put = (name: string, shape: readonly number[], next: () => number) => {
    const data = Float64Array.from({ length: shape.reduce((a, b) => a * b) }, next);
    const fullName = options.prefix && name !== 'lm_head.weight' ? `transformer.${name}` : name;
    tensors.push({ name: fullName, dtype: options.dtype, shape, data });
  };
  const normal = (deviation: number) => () => deviation * random.normal();
  const affine = (name: string, from: number, to: number) => {
    put(`${name}.weight`, [from, to], normal(1 / Math.sqrt(from)));
    put(`${name}.bias`, [to], normal(0.1));
  };
  const norm = (name: string) => {
    const outliers = new Set(random.tokens(2, width));
    let channel = 0;
    put(`${name}.weight`, [width], () => {
      const gain = outliers.has(channel++) ? OUTLIER_GAIN : 1;
      return gain * (1 + 0.2 * random.normal());
    });
    put(`${name}.bias`, [width], normal(0.2));
  };

  const embeddingDeviation = LOGIT_SPREAD / Math.sqrt(width);
  put('wte.weight', [options.vocabularySize, width], normal(embeddingDeviation));
  put('wpe.weight', [options.contextLength, width], normal(embeddingDeviation));
  for (let layer = 0; layer < options.layers; layer++) {
    norm(`h.${layer}.ln_1`);
    affine(`h.${layer}.attn.c_attn`, width, 3 * width);
    affine(`h.${layer}.attn.c_proj`, width, width);
    norm(`h.${layer}.ln_2`);
    affine(`h.${layer}.mlp.c_fc`, width, inner);
    put(`h.${layer}.mlp.c_proj.weight`, [inner, width], normal(1 / Math.sqrt(inner)));
    const outlier = random.integer(0, width - 1);
    let channel = 0;
    put(`h.${layer}.mlp.c_proj.bias`, [width], () =>
      channel++ === outlier ? OUTLIER_SHIFT : 0.1 * random.normal(),
    );
  }
  norm('ln_f');
  if (!(options.tied ?? true))
    put('lm_head.weight', [options.vocabularySize, width], normal(embeddingDeviation));
  return tensors;
}
