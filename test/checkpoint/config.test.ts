// What a GPT-2 config may say, what it means, and which error names the field that it gets wrong.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseGpt2Config } from '#inhouse/checkpoint/config.js';
import { CheckpointError, type InhouseError } from '#inhouse/errors.js';

const gpt2 = {
  model_type: 'gpt2',
  n_layer: 3,
  n_head: 4,
  n_embd: 64,
  n_positions: 32,
  vocab_size: 100,
};

function parse(changes: Record<string, unknown> = {}) {
  return parseGpt2Config({ ...gpt2, ...changes }, 'folder/config.json');
}

function errorOf(json: unknown): unknown {
  try {
    parseGpt2Config(json, 'folder/config.json');
  } catch (error) {
    return error;
  }
  return undefined;
}

function expectError(changes: Record<string, unknown>, code: string, field: string, words: RegExp): void {
  const error = errorOf({ ...gpt2, ...changes }) as InhouseError;
  expect(error).toBeInstanceOf(CheckpointError);
  expect(error).toMatchObject({ code, details: { file: 'folder/config.json', field } });
  expect(error.message).toMatch(/^folder\/config\.json: /);
  expect(error.message).toContain(field);
  expect(error.message).toMatch(words);
}

describe('a GPT-2 config', () => {
  it('needs only the sizes; the rest has the defaults of transformers', () => {
    expect(parse()).toEqual({
      layers: 3,
      heads: 4,
      headSize: 16,
      width: 64,
      innerWidth: 256,
      vocabularySize: 100,
      contextLength: 32,
      activation: 'gelu_tanh',
      layerNormEpsilon: 1e-5,
      attentionScales: [0.25, 0.25, 0.25],
      tiedEmbeddings: true,
      bosTokenId: undefined,
      eosTokenIds: [],
    });
  });

  it('may set everything', () => {
    const config = parse({
      n_inner: 48,
      activation_function: 'gelu',
      layer_norm_epsilon: 1e-6,
      tie_word_embeddings: false,
      bos_token_id: 0,
      eos_token_id: 99,
    });
    expect(config).toMatchObject({
      innerWidth: 48,
      activation: 'gelu_erf',
      layerNormEpsilon: 1e-6,
      tiedEmbeddings: false,
      bosTokenId: 0,
      eosTokenIds: [99],
    });
  });

  it('ignores fields that do not change the computation', () => {
    const harmless = {
      n_inner: null,
      reorder_and_upcast_attn: true,
      attn_pdrop: 0.1,
      use_cache: false,
      pruned_heads: {},
      quantization_config: null,
      add_cross_attention: false,
      is_encoder_decoder: false,
      torch_dtype: 'float16',
      summary_type: 'cls_index',
    };
    expect(parse(harmless)).toEqual(parse());
  });

  it.each([
    [{ n_positions: undefined, n_ctx: 77 }, 77],
    [{ n_positions: 32, n_ctx: 77 }, 32],
  ])('takes its context from n_positions, else from n_ctx: %j', (changes, context) => {
    expect(parse(changes).contextLength).toBe(context);
  });

  it.each([
    ['gelu_new', 'gelu_tanh'],
    ['gelu_fast', 'gelu_tanh'],
    ['gelu_accurate', 'gelu_tanh'],
    ['gelu_pytorch_tanh', 'gelu_tanh'],
    ['gelu_python_tanh', 'gelu_tanh'],
    ['gelu', 'gelu_erf'],
    ['gelu_python', 'gelu_erf'],
  ])('knows the activation %s as %s', (name, activation) => {
    expect(parse({ activation_function: name }).activation).toBe(activation);
  });

  it.each([
    [true, false, [0.25, 0.25, 0.25]],
    [false, false, [1, 1, 1]],
    [true, true, [0.25, 0.25 / 2, 0.25 / 3]],
    [false, true, [1, 1 / 2, 1 / 3]],
  ])('scales attention by layer: scale_attn_weights %s, by inverse layer %s', (weights, byLayer, scales) => {
    const config = parse({ scale_attn_weights: weights, scale_attn_by_inverse_layer_idx: byLayer });
    expect(config.attentionScales).toEqual(scales);
  });

  it.each([
    [{ eos_token_id: 5 }, [5]],
    [{ eos_token_id: [5, 7, 5] }, [5, 7]],
    [{ eos_token_id: null }, []],
    [{ vocab_size: 50257 }, [50256]],
    [{ vocab_size: 50257, eos_token_id: null }, []],
  ])('has the end-of-text ids of %j', (changes, ids) => {
    expect(parse(changes).eosTokenIds).toEqual(ids);
  });

  it.each([
    [{ bos_token_id: 5 }, 5],
    [{ bos_token_id: null }, undefined],
    [{ vocab_size: 50257 }, 50256],
  ])('has the begin-of-text id of %j', (changes, id) => {
    expect(parse(changes).bosTokenId).toBe(id);
  });

  it.each(['GPT2LMHeadModel', 'GPT2Model'])('may leave out model_type where it names %s', (architecture) => {
    expect(parse({ model_type: undefined, architectures: [architecture] })).toEqual(parse());
  });
});

describe('a config of something else is unsupported, by the field that says so', () => {
  it.each([
    [{ model_type: 'llama' }, 'model_type', /"llama".*"gpt2"/],
    [{ model_type: undefined }, 'model_type', /missing.*"gpt2"/],
    [{ model_type: undefined, architectures: ['BertModel'] }, 'model_type', /missing/],
    [{ model_type: 'bert', architectures: ['GPT2Model'] }, 'model_type', /"bert"/],
    [{ add_cross_attention: true }, 'add_cross_attention', /true.*only false/],
    [{ is_encoder_decoder: true }, 'is_encoder_decoder', /true.*only false/],
    [{ quantization_config: { bits: 4 } }, 'quantization_config', /\{"bits":4\}/],
    [{ pruned_heads: { 0: [1] } }, 'pruned_heads', /\{"0":\[1\]\}/],
    [{ activation_function: 'relu' }, 'activation_function', /"relu".*gelu_new.*gelu_python/],
    [{ activation_function: 'toString' }, 'activation_function', /"toString"/],
    [{ n_embd: 60, n_head: 5 }, 'n_embd', /60.*n_head 5.*head size.*12.*multiples of 8/],
  ])('%j', (changes, field, words) => {
    expectError(changes, 'INHOUSE_CONFIG_UNSUPPORTED', field, words);
  });
});

describe('a malformed config is invalid, by the field that is wrong', () => {
  const sizes = ['n_layer', 'n_head', 'n_embd', 'vocab_size', 'n_positions'];
  const notSizes = [undefined, null, 0, -1, 1.5, '12', true, [12], Number.POSITIVE_INFINITY, 2 ** 53];
  it.each(sizes.flatMap((field) => notSizes.map((value) => [field, value] as const)))(
    '%s must be a positive integer, not %j',
    (field, value) => {
      expectError({ [field]: value }, 'INHOUSE_CONFIG_INVALID', field, /an integer from 1 to \d+/);
    },
  );

  it.each([
    [{ n_layer: 4097 }, 'n_layer', /4097.*from 1 to 4096/],
    [{ n_inner: 0 }, 'n_inner', /integer/],
    [{ n_positions: undefined, n_ctx: 'long' }, 'n_ctx', /"long".*integer/],
    [{ n_embd: 65 }, 'n_embd', /65.*multiple of n_head, which is 4/],
    [{ activation_function: null }, 'activation_function', /null.*string/],
    [{ layer_norm_epsilon: 0 }, 'layer_norm_epsilon', /above 0/],
    [{ layer_norm_epsilon: '1e-5' }, 'layer_norm_epsilon', /number/],
    [{ layer_norm_epsilon: Number.POSITIVE_INFINITY }, 'layer_norm_epsilon', /finite/],
    [{ scale_attn_weights: 1 }, 'scale_attn_weights', /true or false/],
    [{ scale_attn_by_inverse_layer_idx: 'no' }, 'scale_attn_by_inverse_layer_idx', /true or false/],
    [{ tie_word_embeddings: null }, 'tie_word_embeddings', /true or false/],
    [{ is_encoder_decoder: 'yes' }, 'is_encoder_decoder', /true or false/],
    [{ eos_token_id: 100 }, 'eos_token_id', /100.*from 0 to 99 \(vocab_size - 1\)/],
    [{ eos_token_id: [1, -1] }, 'eos_token_id', /\[1,-1\].*from 0 to 99/],
    [{ eos_token_id: 'end' }, 'eos_token_id', /"end"/],
    [{ bos_token_id: 100 }, 'bos_token_id', /from 0 to 99/],
    [{ bos_token_id: [1] }, 'bos_token_id', /from 0 to 99/],
  ])('%j', (changes, field, words) => {
    expectError(changes, 'INHOUSE_CONFIG_INVALID', field, words);
  });

  it.each([null, [], 'gpt2', 12, true])('it must be an object, not %j', (json) => {
    const error = errorOf(json) as InhouseError;
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({ code: 'INHOUSE_CONFIG_INVALID' });
    expect(error.message).toMatch(/^folder\/config\.json .*object/);
  });

  it('whatever JSON it holds: it is read, or refused with a CheckpointError', () => {
    const fields = [
      ...Object.keys(gpt2),
      ...['architectures', 'n_inner', 'n_ctx', 'activation_function', 'layer_norm_epsilon', 'eos_token_id'],
      ...['bos_token_id', 'pruned_heads', 'quantization_config', 'scale_attn_weights', 'tie_word_embeddings'],
    ];
    const changes = fc.dictionary(fc.constantFrom(...fields), fc.jsonValue(), { maxKeys: 4 });
    fc.assert(
      fc.property(changes, (change) => {
        const error = errorOf({ ...gpt2, ...change });
        expect(error === undefined || error instanceof CheckpointError).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
