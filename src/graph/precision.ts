// What a precision means: how each weight of a model is stored. From the user's words to one scheme per weight. Pure.
import type { Gpt2Config } from '../checkpoint/config.js';
import { parameterShapes } from '../checkpoint/parameters.js';
import { InvalidInputError } from '../errors.js';

/** 'int8' and 'int8-channel' are two forms of 8 bits: docs/quantization.md says what each is better at. */
export const PRECISIONS = ['fp32', 'fp16', 'int8', 'int8-channel', 'int4'] as const;
export type Precision = (typeof PRECISIONS)[number];

/**
 * One precision for all matrices, or a mix: a default, and others by name. Names are those of the checkpoint without
 * '.weight' ('wte', 'h.3.mlp.c_fc', 'lm_head'); `*` stands for any characters ('h.*.attn.c_attn'). Of several patterns
 * that match a matrix, a full name wins, then the one with the most characters besides `*`. Where the head is tied,
 * 'lm_head' and 'wte' are the same matrix. Norms, biases and position embeddings are never quantized.
 */
export type PrecisionSpec =
  | Precision
  | { readonly default: Precision; readonly [pattern: string]: Precision };

/** How one matrix is stored. */
export type WeightScheme =
  | { readonly kind: 'float'; readonly bits: 32 | 16 }
  | {
      readonly kind: 'blockwise';
      readonly bits: 4 | 8;
      /** Neighbouring weights of one output that share a scale. */
      readonly block: 16 | 32 | 64 | 128 | 256;
      /** True: the zero point is the middle of the range, and none is stored. */
      readonly symmetric: boolean;
      /** 'round': the range of the block, rounded to nearest. 'fit': the scale that leaves the least squared error. */
      readonly method: 'round' | 'fit';
    }
  | { readonly kind: 'channel'; readonly bits: 8 };

/**
 * What matrix products multiply: float32, whatever the weights are stored as; or integers, the weights' own and inputs
 * rounded to 8 bits on the way. 'mixed' where matrices differ. All else is float32.
 */
export type ComputeType = 'float32' | 'int8' | 'mixed';

/** Chosen by measurement: docs/quantization.md. Shorter blocks are slower over many rows, and larger. */
const blocks = (block: 32 | 256): WeightScheme => ({
  kind: 'blockwise',
  bits: 8,
  block,
  symmetric: true,
  method: 'round',
});
const fitted = (block: 16 | 32): WeightScheme => ({
  kind: 'blockwise',
  bits: 4,
  block,
  symmetric: false,
  method: 'fit',
});

/** Of the matrices of a layer; see `withoutPadding`. */
const SCHEMES: Readonly<Record<Precision, WeightScheme>> = {
  fp32: { kind: 'float', bits: 32 },
  fp16: { kind: 'float', bits: 16 },
  int8: blocks(256),
  'int8-channel': { kind: 'channel', bits: 8 },
  int4: fitted(32),
};

/**
 * Of the token embedding and the head. Inputs are rounded in the same blocks as weights, and those of the head suffer
 * most: shorter blocks there save most of the loss at 8 bits, and a good part at 4. The per-channel form is for layers
 * only.
 */
const TABLE_SCHEMES: typeof SCHEMES = {
  ...SCHEMES,
  int8: blocks(32),
  'int8-channel': blocks(32),
  int4: fitted(16),
};

/**
 * The scheme of a matrix that no pattern names. INT4 keeps the first and the last layer at 8 bits, where there are at
 * least four: the room that leaves below 0.17 of FP32 is best spent there.
 */
function defaultScheme(name: string, precision: Precision, layers: number): WeightScheme {
  if (!name.startsWith('h.')) return TABLE_SCHEMES[precision];
  const isOuter = name.startsWith('h.0.') || name.startsWith(`h.${layers - 1}.`);
  return SCHEMES[precision === 'int4' && isOuter && layers >= 4 ? 'int8' : precision];
}

/** The longest block up to the scheme's that divides the inputs: filling up the last one would cost what the others save. */
function withoutPadding(scheme: WeightScheme, inputs: number): WeightScheme {
  if (scheme.kind !== 'blockwise' || scheme.block <= 32) return scheme;
  const block = ([256, 128, 64] as const).find((each) => each <= scheme.block && inputs % each === 0) ?? 32;
  return { ...scheme, block };
}

interface Rule {
  readonly pattern: string;
  readonly precision: Precision;
}

/**
 * Checks what a caller passed as a precision, as far as that goes without a model.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION`
 */
export function checkPrecision(value: unknown): PrecisionSpec {
  if (isPrecision(value)) return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused(value, `it must be ${NAMES}, or an object such as { default: 'int4', lm_head: 'int8' }`);
  }
  if (!('default' in value)) throw refused(value, `it needs a \`default\`, one of ${NAMES}`);
  for (const [pattern, precision] of Object.entries(value)) {
    if (!isPrecision(precision)) throw refused(value, `${JSON.stringify(pattern)} must be ${NAMES}`);
  }
  return value as PrecisionSpec;
}

/** One word for a precision, the same for equal ones: 'int4', 'int4+h.0.*:int8+lm_head:fp16'. */
export function precisionLabel(spec: PrecisionSpec): string {
  const words = rulesOf(spec).map(({ pattern, precision }) => `${pattern}:${precision}`);
  return [defaultOf(spec), ...words.sort()].join('+');
}

/**
 * The precision that a label stands for.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION`
 */
export function parsePrecision(label: string): PrecisionSpec {
  const [first, ...words] = label.split('+');
  if (words.length === 0) return checkPrecision(first);
  const rules = words.map((word): [string, string] => {
    const colon = word.lastIndexOf(':');
    if (colon < 1)
      throw refused(label, `${JSON.stringify(word)} must be a name and a precision, as lm_head:int8`);
    return [word.slice(0, colon), word.slice(colon + 1)];
  });
  const repeated = rules.find(([pattern], i) => rules.findIndex(([other]) => other === pattern) < i);
  if (repeated) throw refused(label, `${JSON.stringify(repeated[0])} is there twice`);
  return checkPrecision(Object.fromEntries([...rules, ['default', first]]));
}

/**
 * The scheme of every weight that is not float32, and of every matrix, by its name in the checkpoint.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a pattern that matches no matrix, and for patterns that
 * contradict each other
 */
export function weightSchemes(spec: PrecisionSpec, config: Gpt2Config): ReadonlyMap<string, WeightScheme> {
  const rules = rulesOf(spec);
  const unused = new Set(rules);
  const schemes = new Map<string, WeightScheme>();
  for (const [name, shape] of parameterShapes(config)) {
    if (!isMatrix(name, shape)) {
      if (defaultOf(spec) === 'fp16') schemes.set(name, SCHEMES.fp16);
      continue;
    }
    const names = namesOf(name, config);
    const matching = rules.filter(({ pattern }) => names.some((alias) => matches(pattern, alias)));
    for (const rule of matching) unused.delete(rule);
    const precision = strongest(spec, matching, names[0]!);
    const scheme =
      precision === undefined
        ? defaultScheme(name, defaultOf(spec), config.layers)
        : (name.startsWith('h.') ? SCHEMES : TABLE_SCHEMES)[precision];
    schemes.set(name, withoutPadding(scheme, shape[0]!)); // layers are stored as [inputs, outputs]
  }
  const [first] = unused;
  if (first) {
    const last = `h.${config.layers - 1}.mlp.c_proj`;
    const known = `wte, lm_head, and h.0.attn.c_attn, .attn.c_proj, .mlp.c_fc, .mlp.c_proj to ${last}`;
    throw refused(
      precisionLabel(spec),
      `${JSON.stringify(first.pattern)} matches no matrix of this model; there are ${known}`,
    );
  }
  return schemes;
}

export function computeType(schemes: ReadonlyMap<string, WeightScheme>, config: Gpt2Config): ComputeType {
  const matrices = [...parameterShapes(config)].filter(([name, shape]) => isMatrix(name, shape));
  const floats = matrices.filter(([name]) => schemes.get(name)!.kind === 'float').length;
  if (floats === 0) return 'int8';
  return floats === matrices.length ? 'float32' : 'mixed';
}

/** Whether products multiply with it; position embeddings are only added. */
function isMatrix(name: string, shape: readonly number[]): boolean {
  return shape.length === 2 && name !== 'wpe.weight';
}

/** What patterns may call it. */
function namesOf(name: string, { tiedEmbeddings }: Gpt2Config): readonly string[] {
  const own = name.replace(/\.weight$/, '');
  return own === 'wte' && tiedEmbeddings ? [own, 'lm_head'] : [own];
}

function matches(pattern: string, name: string): boolean {
  const literal = pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`, 's').test(name);
}

/** The precision that the most specific of the matching rules give; undefined where there are none. */
function strongest(spec: PrecisionSpec, matching: readonly Rule[], name: string): Precision | undefined {
  const most = Math.max(...matching.map(({ pattern }) => specificity(pattern)));
  const [first, ...others] = matching.filter(({ pattern }) => specificity(pattern) === most);
  const other = others.find(({ precision }) => precision !== first!.precision);
  if (other === undefined) return first?.precision;
  throw refused(
    precisionLabel(spec),
    `${first!.pattern}:${first!.precision} and ${other.pattern}:${other.precision} both name ${name}, ` +
      'and neither is more specific; keep one of them',
  );
}

function specificity(pattern: string): number {
  return pattern.includes('*') ? pattern.replaceAll('*', '').length : Number.POSITIVE_INFINITY;
}

function rulesOf(spec: PrecisionSpec): Rule[] {
  if (typeof spec === 'string') return [];
  return Object.entries(spec)
    .filter(([pattern]) => pattern !== 'default')
    .map(([pattern, precision]) => ({ pattern, precision }));
}

function defaultOf(spec: PrecisionSpec): Precision {
  return typeof spec === 'string' ? spec : spec.default;
}

const NAMES = `one of ${PRECISIONS.map((name) => `'${name}'`).join(', ')}`;

function isPrecision(value: unknown): value is Precision {
  return PRECISIONS.some((name) => name === value);
}

function refused(value: unknown, expected: string): InvalidInputError {
  const given = typeof value === 'string' ? JSON.stringify(value) : shortJson(value);
  return new InvalidInputError('INHOUSE_INVALID_OPTION', `load: precision is ${given}; ${expected}.`, {
    details: { option: 'precision', expected },
  });
}

function shortJson(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
