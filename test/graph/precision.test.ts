import { describe, expect, it } from 'vitest';
import { parseGpt2Config } from '#inhouse/checkpoint/config.js';
import { InvalidInputError } from '#inhouse/errors.js';
import {
  checkPrecision,
  computeType,
  PRECISIONS,
  type PrecisionSpec,
  parsePrecision,
  precisionLabel,
  weightSchemes,
} from '#inhouse/graph/precision.js';

const json = { model_type: 'gpt2', n_layer: 2, n_head: 2, n_embd: 16, n_positions: 32, vocab_size: 50 };
const tied = parseGpt2Config(json, 'test');
const untied = parseGpt2Config({ ...json, tie_word_embeddings: false }, 'test');

const MATRICES = [
  'wte',
  ...['h.0', 'h.1'].flatMap((h) =>
    ['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj'].map((name) => `${h}.${name}`),
  ),
];

/** Bits of each matrix, by its name without `.weight`. */
function bitsOf(spec: PrecisionSpec, config = tied): Record<string, number> {
  const schemes = [...weightSchemes(spec, config)];
  return Object.fromEntries(schemes.map(([name, { bits }]) => [name.replace('.weight', ''), bits]));
}

describe('one precision for all', () => {
  it.each([
    ['fp32', 32],
    ['int8', 8],
    ['int8-channel', 8],
    ['int4', 4],
  ] as const)('%s stores every matrix in %i bits and leaves the rest', (precision, bits) => {
    expect(bitsOf(precision)).toEqual(Object.fromEntries(MATRICES.map((name) => [name, bits])));
  });

  it('fp16 stores everything in 16 bits', () => {
    const schemes = weightSchemes('fp16', tied);
    expect(schemes.size).toBe(MATRICES.length + 1 + 2 * (4 + 4) + 2); // wpe; norms and biases of layers; ln_f
    expect(new Set([...schemes.values()].map(({ bits }) => bits))).toEqual(new Set([16]));
  });

  it('int8-channel stores tables block by block, as they are looked up', () => {
    const schemes = weightSchemes('int8-channel', untied);
    const kinds = (name: string) => schemes.get(`${name}.weight`)!.kind;
    expect(['wte', 'lm_head', 'h.0.mlp.c_fc'].map(kinds)).toEqual(['blockwise', 'blockwise', 'channel']);
  });
});

describe('int4 of four layers or more', () => {
  const four = parseGpt2Config({ ...json, n_layer: 4 }, 'test');
  const bitsOfLayers = (spec: PrecisionSpec) => {
    const bits = bitsOf(spec, four);
    return [0, 1, 2, 3].map((layer) => bits[`h.${layer}.mlp.c_fc`]);
  };

  it('keeps the first and the last layer at 8 bits', () => {
    expect(bitsOfLayers('int4')).toEqual([8, 4, 4, 8]);
    expect(bitsOfLayers({ default: 'int4', wte: 'fp16' })).toEqual([8, 4, 4, 8]);
  });

  it('is taken at its word where a pattern says it', () => {
    expect(bitsOfLayers({ default: 'int4', 'h.*': 'int4' })).toEqual([4, 4, 4, 4]);
    expect(bitsOfLayers({ default: 'fp32', 'h.3.*': 'int4' })).toEqual([32, 32, 32, 4]);
  });
});

describe('a mix', () => {
  it('names matrices in full or by pattern; the more specific name wins', () => {
    const bits = bitsOf({
      default: 'int4',
      'h.*': 'int8',
      'h.*.mlp.c_fc': 'fp16',
      'h.1.mlp.c_fc': 'fp32',
    });
    expect(bits).toMatchObject({ wte: 4, 'h.0.attn.c_attn': 8, 'h.0.mlp.c_fc': 16, 'h.1.mlp.c_fc': 32 });
  });

  it('takes dots as they are', () => {
    expect(() => bitsOf({ default: 'int4', 'hx0.*': 'int8' })).toThrow(/matches no matrix/);
    expect(() => bitsOf({ default: 'int4', 'h.0.attn.c.attn': 'int8' })).toThrow(/matches no matrix/);
  });

  it('lm_head is the embedding where they are tied, and the head alone where they are not', () => {
    expect(bitsOf({ default: 'int4', lm_head: 'int8' })).toMatchObject({ wte: 8 });
    expect(bitsOf({ default: 'int4', lm_head: 'int8' }, untied)).toMatchObject({ wte: 4, lm_head: 8 });
    expect(bitsOf({ default: 'int4', lm_head: 'int8', wte: 'int8' })).toMatchObject({ wte: 8 });
  });

  it.each([
    [{ default: 'int4', 'h.2.*': 'int8' }, /"h\.2\.\*" matches no matrix.*h\.1\.mlp\.c_proj/],
    [{ default: 'int4', wpe: 'int8' }, /"wpe" matches no matrix/],
    [{ default: 'int4', lm_head: 'int8', wte: 'fp16' }, /lm_head:int8 and wte:fp16 both name wte/],
    [{ default: 'fp32', 'h.*.c_fc': 'int8', 'h.0*c_fc': 'int4' }, /both name h\.0\.mlp\.c_fc/],
  ] as const)('is refused where it does not fit the model: %j', (spec, message) => {
    const schemes = () => weightSchemes(spec as PrecisionSpec, tied);
    expect(schemes).toThrow(InvalidInputError);
    expect(schemes).toThrow(message);
  });
});

describe('what a caller passes', () => {
  it.each([
    ['int3', /"int3".*'int8-channel'/],
    [4, /must be one of/],
    [null, /must be one of/],
    [['int4'], /must be one of/],
    [{ lm_head: 'int8' }, /needs a `default`/],
    [{ default: 'int4', lm_head: 'int2' }, /"lm_head" must be one of/],
  ])('is refused when it is no precision: %j', (value, message) => {
    expect(() => checkPrecision(value)).toThrow(InvalidInputError);
    expect(() => checkPrecision(value)).toThrow(message);
  });
});

describe('labels', () => {
  it.each(PRECISIONS)('of %s is itself', (precision) => {
    expect(precisionLabel(precision)).toBe(precision);
    expect(parsePrecision(precision)).toBe(precision);
  });

  it('are the same for equal mixes, and read back', () => {
    const label = 'int4+h.0.*:fp16+lm_head:int8';
    expect(precisionLabel({ lm_head: 'int8', default: 'int4', 'h.0.*': 'fp16' })).toBe(label);
    expect(parsePrecision(label)).toEqual({ default: 'int4', 'h.0.*': 'fp16', lm_head: 'int8' });
    expect(precisionLabel(parsePrecision('int4+lm_head:int8+h.0.*:fp16'))).toBe(label);
  });

  it.each([
    ['', /""/],
    ['int4+', /must be a name and a precision/],
    ['int4+lm_head', /must be a name and a precision/],
    ['int4+lm_head:', /must be one of/],
    ['lm_head:int8', /must be one of/],
    ['int4+lm_head:int8+lm_head:int8', /"lm_head" is there twice/],
  ])('%j is none', (label, message) => {
    expect(() => parsePrecision(label)).toThrow(InvalidInputError);
    expect(() => parsePrecision(label)).toThrow(message);
  });
});

it.each([
  ['fp32', 'float32'],
  ['fp16', 'float32'],
  ['int8', 'int8'],
  ['int4', 'int8'],
  [{ default: 'fp16', lm_head: 'fp32' }, 'float32'],
  [{ default: 'int4', lm_head: 'int8' }, 'int8'],
  [{ default: 'int4', lm_head: 'fp32' }, 'mixed'],
] as const)('products of %j multiply %s', (spec, expected) => {
  expect(computeType(weightSchemes(spec, tied), tied)).toBe(expected);
});
