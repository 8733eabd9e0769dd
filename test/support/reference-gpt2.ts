// GPT-2 in plain TypeScript and double precision: the independent truth that graphs and runners are held to.
// It shares no code with src/ (its safetensors reader included) and is written to be read, not to serve requests.
// Sources: the GPT-2 paper and the layout of Hugging Face GPT-2 checkpoints (Conv1D weights are [in, out]).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTensors, type Tensors } from './reference-tensors.js';

/** The fields of `config.json` that change the computation, under their own names. */
interface ReferenceConfig {
  readonly n_layer: number;
  readonly n_head: number;
  readonly n_embd: number;
  readonly n_inner?: number | null;
  readonly n_positions: number;
  readonly vocab_size: number;
  readonly activation_function?: string;
  readonly layer_norm_epsilon?: number;
  readonly scale_attn_weights?: boolean;
  readonly scale_attn_by_inverse_layer_idx?: boolean;
  readonly tie_word_embeddings?: boolean;
}

interface Affine {
  readonly weight: Float64Array; // [out, in], or [D] for a layer norm
  readonly bias: Float64Array; // [out]
}

interface Layer {
  readonly norm1: Affine;
  readonly qkv: Affine; // [3D, D]
  readonly attentionOut: Affine; // [D, D]
  readonly norm2: Affine;
  readonly up: Affine; // [inner, D]
  readonly down: Affine; // [D, inner]
  readonly attentionScale: number;
}

export class ReferenceGpt2 {
  readonly width: number;
  readonly vocabularySize: number;
  readonly contextLength: number;
  readonly #config: ReferenceConfig;
  readonly #tokenEmbedding: Float64Array; // [V, D]
  readonly #positionEmbedding: Float64Array; // [n_positions, D]
  readonly #layers: readonly Layer[];
  readonly #finalNorm: Affine;
  readonly #head: Affine; // [V, D], bias zero

  private constructor(config: ReferenceConfig, tensors: Tensors) {
    this.#config = config;
    this.width = config.n_embd;
    this.vocabularySize = config.vocab_size;
    this.contextLength = config.n_positions;
    this.#tokenEmbedding = tensor(tensors, 'wte.weight');
    this.#positionEmbedding = tensor(tensors, 'wpe.weight');
    this.#layers = Array.from({ length: config.n_layer }, (_, index) => readLayer(config, tensors, index));
    this.#finalNorm = affine(tensors, 'ln_f');
    this.#head = {
      weight: (config.tie_word_embeddings ?? true) ? this.#tokenEmbedding : tensor(tensors, 'lm_head.weight'),
      bias: new Float64Array(this.vocabularySize),
    };
  }

  /** Reads a checkpoint folder: `config.json` and one `model.safetensors`. */
  static open(folder: string): ReferenceGpt2 {
    const config = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as ReferenceConfig;
    return new ReferenceGpt2(config, readTensors(join(folder, 'model.safetensors')));
  }

  /** The hidden state after the final layer norm, [D] per position. */
  hidden(ids: readonly number[]): Float64Array[] {
    return rowsOf(this.#hidden(ids), this.width);
  }

  /** Next-token logits, [V] per position. */
  logits(ids: readonly number[]): Float64Array[] {
    return rowsOf(matmul(this.#hidden(ids), this.#head, ids.length), this.vocabularySize);
  }

  /** Natural-log probability of ids[i] given ids[0..i), [S]; NaN at 0, where nothing predicts it. */
  logprobs(ids: readonly number[]): Float64Array {
    const logits = this.logits(ids);
    return Float64Array.from(ids, (id, i) => (i === 0 ? Number.NaN : logSoftmax(logits[i - 1]!)[id]!));
  }

  // [S, D]
  #hidden(ids: readonly number[]): Float64Array {
    const length = ids.length;
    const width = this.width;
    if (length > this.contextLength) throw new Error(`${length} tokens, context ${this.contextLength}`);
    let residual: Float64Array = new Float64Array(length * width);
    for (let s = 0; s < length; s++)
      for (let d = 0; d < width; d++)
        residual[s * width + d] =
          this.#tokenEmbedding[ids[s]! * width + d]! + this.#positionEmbedding[s * width + d]!;
    for (const layer of this.#layers) {
      const qkv = matmul(this.#norm(residual, layer.norm1), layer.qkv, length);
      const attended = attention(qkv, length, width, this.#config.n_head, layer.attentionScale);
      residual = add(residual, matmul(attended, layer.attentionOut, length));
      const inner = matmul(this.#norm(residual, layer.norm2), layer.up, length);
      residual = add(residual, matmul(inner.map(this.#activation()), layer.down, length));
    }
    return this.#norm(residual, this.#finalNorm);
  }

  #norm(x: Float64Array, norm: Affine): Float64Array {
    return layerNorm(x, norm, this.#config.layer_norm_epsilon ?? 1e-5);
  }

  #activation(): (x: number) => number {
    const name = this.#config.activation_function ?? 'gelu_new';
    if (name === 'gelu_new') return geluTanh;
    if (name === 'gelu') return geluErf;
    throw new Error(`activation_function ${name}`);
  }
}

/** Natural-log probabilities of all tokens, from their logits. */
export function logSoftmax(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const largest = values.reduce((a, b) => Math.max(a, b));
  const sum = values.reduce((total, value) => total + Math.exp(value - largest), 0);
  return values.map((value) => value - largest - Math.log(sum));
}

/**
 * The error function, to a few units in the 16th decimal:
 * erf(x) = 2/sqrt(pi) exp(-x^2) * sum over n of 2^n x^(2n+1) / (1*3*...*(2n+1)), whose terms all have one sign.
 */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x); // 1 - erf(6) is 2e-17
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function geluErf(x: number): number {
  return 0.5 * x * (1 + erf(x * Math.SQRT1_2));
}

function geluTanh(x: number): number {
  return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
}

function readLayer(config: ReferenceConfig, tensors: Tensors, index: number): Layer {
  const name = (part: string) => `h.${index}.${part}`;
  const headScale = (config.scale_attn_weights ?? true) ? 1 / Math.sqrt(config.n_embd / config.n_head) : 1;
  const layerScale = config.scale_attn_by_inverse_layer_idx ? 1 / (index + 1) : 1;
  return {
    norm1: affine(tensors, name('ln_1')),
    qkv: conv1d(tensors, name('attn.c_attn')),
    attentionOut: conv1d(tensors, name('attn.c_proj')),
    norm2: affine(tensors, name('ln_2')),
    up: conv1d(tensors, name('mlp.c_fc')),
    down: conv1d(tensors, name('mlp.c_proj')),
    attentionScale: headScale * layerScale,
  };
}

/** Causal self-attention. qkv: [S, 3D], columns query | key | value, each heads * headSize wide. Returns [S, D]. */
function attention(qkv: Float64Array, length: number, width: number, heads: number, scale: number) {
  const headSize = width / heads;
  const out = new Float64Array(length * width);
  const weights = new Float64Array(length);
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < length; i++) {
      const query = i * 3 * width + head * headSize;
      let largest = -Infinity;
      for (let j = 0; j <= i; j++) {
        const key = j * 3 * width + width + head * headSize;
        let dot = 0;
        for (let d = 0; d < headSize; d++) dot += qkv[query + d]! * qkv[key + d]!;
        weights[j] = dot * scale;
        largest = Math.max(largest, weights[j]!);
      }
      let sum = 0;
      for (let j = 0; j <= i; j++) {
        weights[j] = Math.exp(weights[j]! - largest);
        sum += weights[j]!;
      }
      const target = i * width + head * headSize;
      for (let j = 0; j <= i; j++) {
        const value = j * 3 * width + 2 * width + head * headSize;
        const weight = weights[j]! / sum;
        for (let d = 0; d < headSize; d++) out[target + d]! += weight * qkv[value + d]!;
      }
    }
  }
  return out;
}

/** x: [S, D], each row normalized to mean 0 and variance 1, then scaled and shifted. */
function layerNorm(x: Float64Array, norm: Affine, epsilon: number): Float64Array {
  const width = norm.weight.length;
  const out = new Float64Array(x.length);
  for (let row = 0; row < x.length; row += width) {
    let mean = 0;
    for (let d = 0; d < width; d++) mean += x[row + d]! / width;
    let variance = 0;
    for (let d = 0; d < width; d++) variance += (x[row + d]! - mean) ** 2 / width;
    const scale = 1 / Math.sqrt(variance + epsilon);
    for (let d = 0; d < width; d++)
      out[row + d] = (x[row + d]! - mean) * scale * norm.weight[d]! + norm.bias[d]!;
  }
  return out;
}

/**
 * x [rows, inner] times the transpose of weight [columns, inner], plus bias. Two rows meet four columns at a time,
 * so that each number loaded is used more than once; at the edges a row or column is simply computed twice.
 */
function matmul(x: Float64Array, { weight, bias }: Affine, rows: number): Float64Array {
  const columns = bias.length;
  const inner = weight.length / columns;
  const y = new Float64Array(rows * columns);
  for (let n = 0; n < columns; n += 4) {
    const n1 = Math.min(n + 1, columns - 1);
    const n2 = Math.min(n + 2, columns - 1);
    const n3 = Math.min(n + 3, columns - 1);
    const w0 = n * inner;
    const w1 = n1 * inner;
    const w2 = n2 * inner;
    const w3 = n3 * inner;
    for (let row = 0; row < rows; row += 2) {
      const next = Math.min(row + 1, rows - 1);
      const x0 = row * inner;
      const x1 = next * inner;
      let a0 = 0;
      let a1 = 0;
      let a2 = 0;
      let a3 = 0;
      let b0 = 0;
      let b1 = 0;
      let b2 = 0;
      let b3 = 0;
      for (let k = 0; k < inner; k++) {
        const a = x[x0 + k]!;
        const b = x[x1 + k]!;
        const p = weight[w0 + k]!;
        const q = weight[w1 + k]!;
        const r = weight[w2 + k]!;
        const s = weight[w3 + k]!;
        a0 += a * p;
        a1 += a * q;
        a2 += a * r;
        a3 += a * s;
        b0 += b * p;
        b1 += b * q;
        b2 += b * r;
        b3 += b * s;
      }
      y[row * columns + n] = bias[n]! + a0;
      y[row * columns + n1] = bias[n1]! + a1;
      y[row * columns + n2] = bias[n2]! + a2;
      y[row * columns + n3] = bias[n3]! + a3;
      y[next * columns + n] = bias[n]! + b0;
      y[next * columns + n1] = bias[n1]! + b1;
      y[next * columns + n2] = bias[n2]! + b2;
      y[next * columns + n3] = bias[n3]! + b3;
    }
  }
  return y;
}

const add = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + b[i]!);

function transpose(matrix: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(matrix.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = matrix[row * columns + column]!;
  return out;
}

function rowsOf(matrix: Float64Array, width: number): Float64Array[] {
  return Array.from({ length: matrix.length / width }, (_, row) =>
    matrix.subarray(row * width, (row + 1) * width),
  );
}

/** A Conv1D, whose weight the checkpoint holds as [in, out]. */
function conv1d(tensors: Tensors, name: string): Affine {
  const { weight, bias } = affine(tensors, name);
  return { weight: transpose(weight, weight.length / bias.length, bias.length), bias };
}

function affine(tensors: Tensors, name: string): Affine {
  return { weight: tensor(tensors, `${name}.weight`), bias: tensor(tensors, `${name}.bias`) };
}

function tensor(tensors: Tensors, name: string): Float64Array {
  const found = tensors.get(name) ?? tensors.get(`transformer.${name}`);
  if (found === undefined) throw new Error(`no tensor ${name}`);
  return found;
}
