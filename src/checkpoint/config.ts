// A GPT-2 `config.json`, read, checked and renamed to the words the rest of the code uses.
// A field that would change the numbers and is not served is an error here, never a silently different model.
import { CheckpointError } from '../errors.js';

/** The numbers that define one GPT-2. Names on the left, `config.json` fields in the comments. */
export interface Gpt2Config {
  readonly layers: number; // n_layer
  readonly heads: number; // n_head
  readonly headSize: number; // n_embd / n_head
  readonly width: number; // n_embd
  readonly innerWidth: number; // n_inner, default 4 * n_embd
  readonly vocabularySize: number; // vocab_size
  readonly contextLength: number; // n_positions
  readonly activation: 'gelu_tanh' | 'gelu_erf'; // activation_function
  readonly layerNormEpsilon: number; // layer_norm_epsilon
  /** Factor applied to the attention scores of each layer (scale_attn_weights, scale_attn_by_inverse_layer_idx). */
  readonly attentionScales: readonly number[];
  readonly tiedEmbeddings: boolean; // tie_word_embeddings
  readonly bosTokenId: number | undefined;
  readonly eosTokenIds: readonly number[];
}

/** Far above any GPT-2; keeps a damaged config from asking for absurd amounts of work. */
const MAX_LAYERS = 4096;
/** Token ids, positions and widths are 32-bit in the graph. */
const MAX_SIZE = 2 ** 31 - 1;
/** ONNX Runtime's GroupQueryAttention takes head sizes that are multiples of this. */
const HEAD_SIZE_MULTIPLE = 8;
/** What GPT2Config in Hugging Face transformers assumes for both special ids when the fields are absent. */
const DEFAULT_SPECIAL_TOKEN = 50256;

/** Hugging Face transformers' names (`ACT2CLS` in activations.py); names of the same form differ by rounding only. */
const ACTIVATIONS: Readonly<Record<string, Gpt2Config['activation']>> = {
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_accurate: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  gelu_python_tanh: 'gelu_tanh',
  gelu: 'gelu_erf',
  gelu_python: 'gelu_erf',
};

const GPT2_ARCHITECTURES = ['GPT2LMHeadModel', 'GPT2Model'];

/**
 * Checks a parsed `config.json` and fills in the defaults of Hugging Face transformers' GPT2Config.
 * `reorder_and_upcast_attn` is accepted: at FP32 it does not change the result. Fields not named here are ignored.
 * @param source the file's path, for messages
 * @throws CheckpointError `INHOUSE_CONFIG_UNSUPPORTED` for another model or a feature that is not served,
 * `INHOUSE_CONFIG_INVALID` for a missing, malformed or inconsistent field; both name the field.
 */
export function parseGpt2Config(json: unknown, source: string): Gpt2Config {
  const fields = new ConfigFields(json, source);
  rejectUnsupported(fields);

  const layers = fields.size('n_layer', MAX_LAYERS);
  const heads = fields.size('n_head');
  const width = fields.size('n_embd');
  const headSize = headSizeOf(fields, width, heads);
  const vocabularySize = fields.size('vocab_size');
  return {
    layers,
    heads,
    headSize,
    width,
    innerWidth: fields.get('n_inner') == null ? 4 * width : fields.size('n_inner'),
    vocabularySize,
    contextLength: fields.size(contextField(fields)),
    activation: activationOf(fields),
    layerNormEpsilon: layerNormEpsilonOf(fields),
    attentionScales: attentionScalesOf(fields, layers, headSize),
    tiedEmbeddings: fields.boolean('tie_word_embeddings', true),
    bosTokenId: tokenIds(fields, 'bos_token_id', vocabularySize)[0],
    eosTokenIds: tokenIds(fields, 'eos_token_id', vocabularySize),
  };
}

function rejectUnsupported(fields: ConfigFields): void {
  const architectures = fields.get('architectures');
  const namesGpt2 =
    Array.isArray(architectures) && GPT2_ARCHITECTURES.some((name) => architectures.includes(name));
  const modelType = fields.get('model_type');
  if (modelType !== 'gpt2' && !(modelType == null && namesGpt2))
    throw fields.unsupported('model_type', 'only "gpt2" is supported');

  for (const field of ['add_cross_attention', 'is_encoder_decoder'])
    if (fields.boolean(field, false)) throw fields.unsupported(field, 'only false is supported');
  if (fields.get('quantization_config') != null)
    throw fields.unsupported('quantization_config', 'only weights in F32, F16 or BF16 are supported');
  if (Object.keys(fields.get('pruned_heads') ?? {}).length > 0)
    throw fields.unsupported('pruned_heads', 'only models with all their heads are supported');
}

/** `n_ctx` is the name older configs use. */
function contextField(fields: ConfigFields): string {
  const onlyOlderName = fields.get('n_positions') === undefined && fields.get('n_ctx') !== undefined;
  return onlyOlderName ? 'n_ctx' : 'n_positions';
}

function headSizeOf(fields: ConfigFields, width: number, heads: number): number {
  const headSize = width / heads;
  if (!Number.isInteger(headSize))
    throw fields.invalid('n_embd', `it must be a multiple of n_head, which is ${heads}`);
  if (headSize % HEAD_SIZE_MULTIPLE !== 0)
    throw fields.unsupported(
      'n_embd',
      `with n_head ${heads} the head size n_embd / n_head is ${headSize}; ` +
        `only multiples of ${HEAD_SIZE_MULTIPLE} are supported`,
    );
  return headSize;
}

function activationOf(fields: ConfigFields): Gpt2Config['activation'] {
  const name = fields.get('activation_function', 'gelu_new');
  if (typeof name !== 'string') throw fields.invalid('activation_function', 'it must be a string');
  if (!Object.hasOwn(ACTIVATIONS, name))
    throw fields.unsupported('activation_function', `supported are ${Object.keys(ACTIVATIONS).join(', ')}`);
  return ACTIVATIONS[name]!;
}

function layerNormEpsilonOf(fields: ConfigFields): number {
  const epsilon = fields.get('layer_norm_epsilon', 1e-5);
  if (typeof epsilon !== 'number' || !Number.isFinite(epsilon) || epsilon <= 0)
    throw fields.invalid('layer_norm_epsilon', 'it must be a finite number above 0');
  return epsilon;
}

function attentionScalesOf(fields: ConfigFields, layers: number, headSize: number): readonly number[] {
  const scale = fields.boolean('scale_attn_weights', true) ? 1 / Math.sqrt(headSize) : 1;
  const byLayer = fields.boolean('scale_attn_by_inverse_layer_idx', false);
  return Array.from({ length: layers }, (_, layer) => (byLayer ? scale / (layer + 1) : scale));
}

/** The ids of a special token: none for null, the GPT-2 default for an absent field where the vocabulary has it. */
function tokenIds(
  fields: ConfigFields,
  name: 'bos_token_id' | 'eos_token_id',
  vocabularySize: number,
): readonly number[] {
  const value = fields.get(name);
  if (value === undefined) return DEFAULT_SPECIAL_TOKEN < vocabularySize ? [DEFAULT_SPECIAL_TOKEN] : [];
  if (value === null) return [];
  const largest = vocabularySize - 1;
  const ids: readonly unknown[] = name === 'eos_token_id' && Array.isArray(value) ? value : [value];
  if (!ids.every((id) => isIntegerIn(id, 0, largest)))
    throw fields.invalid(name, `token ids must be integers from 0 to ${largest} (vocab_size - 1)`);
  return [...new Set(ids)];
}

function isIntegerIn(value: unknown, smallest: number, largest: number): value is number {
  return Number.isInteger(value) && (value as number) >= smallest && (value as number) <= largest;
}

/** Typed access to the fields of one config, with errors that name the file, the field and its value. */
class ConfigFields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #source: string;

  constructor(json: unknown, source: string) {
    if (typeof json !== 'object' || json === null || Array.isArray(json))
      throw new CheckpointError('INHOUSE_CONFIG_INVALID', `${source} must hold a JSON object.`, {
        details: { file: source },
      });
    this.#fields = json as Readonly<Record<string, unknown>>;
    this.#source = source;
  }

  get(name: string, absent?: unknown): unknown {
    const value = this.#fields[name];
    return value === undefined ? absent : value;
  }

  size(name: string, limit = MAX_SIZE): number {
    const value = this.get(name);
    if (!isIntegerIn(value, 1, limit)) throw this.invalid(name, `it must be an integer from 1 to ${limit}`);
    return value;
  }

  boolean(name: string, absent: boolean): boolean {
    const value = this.get(name, absent);
    if (typeof value !== 'boolean') throw this.invalid(name, 'it must be true or false');
    return value;
  }

  invalid(name: string, rule: string): CheckpointError {
    return this.#error('INHOUSE_CONFIG_INVALID', name, rule);
  }

  unsupported(name: string, rule: string): CheckpointError {
    return this.#error('INHOUSE_CONFIG_UNSUPPORTED', name, rule);
  }

  #error(
    code: 'INHOUSE_CONFIG_INVALID' | 'INHOUSE_CONFIG_UNSUPPORTED',
    name: string,
    rule: string,
  ): CheckpointError {
    const value = this.get(name);
    const found = value === undefined ? 'missing' : JSON.stringify(value).slice(0, 100);
    return new CheckpointError(code, `${this.#source}: ${name} is ${found}; ${rule}.`, {
      details: { file: this.#source, field: name, value },
    });
  }
}
