// The forms a graph comes in: one for the CPU, and for devices one of float16 and one of float32. Pure.
import type { Gpt2Config } from '../checkpoint/config.js';
import { InvalidInputError } from '../errors.js';
import type { KvForm } from './io.js';
import { type PrecisionSpec, precisionLabel, weightSchemes } from './precision.js';

export interface GraphForm {
  /** Of everything between the matrices, and of the KV cache; logits and hidden states come out as float32. */
  readonly elementType: 'float32' | 'float16';
  /**
   * 'cached': our own operator, on the CPU. 'grouped': GroupQueryAttention, which writes new keys and values itself too.
   * 'scatter': TensorScatter and the standard Attention, for float32 where GroupQueryAttention has none.
   */
  readonly attention: 'cached' | 'grouped' | 'scatter';
  /** Products with quantized matrices round their inputs to 8 bits and multiply integers. */
  readonly integerProducts: boolean;
  /** Put out the new queries, keys and values of each layer. */
  readonly qkv: boolean;
  /** Put out this many candidates per wanted row beside the logits; 0 puts out none. */
  readonly candidates: number;
}

/** What a graph is meant to run on. */
export type GraphDevice = 'cpu' | 'cuda';

export const CPU_FORM: GraphForm = {
  elementType: 'float32',
  attention: 'cached',
  integerProducts: true,
  qkv: true,
  candidates: 0,
};

/** Enough for the top-k that is usual, in 516 bytes per row. */
const CANDIDATES = 64;

/**
 * The form for a device. On a GPU everything is float16, except where the precision is FP32 by default.
 * @throws InvalidInputError `INHOUSE_INVALID_OPTION` for a precision that the device has no kernels for
 */
export function graphForm(device: GraphDevice, spec: PrecisionSpec, config: Gpt2Config): GraphForm {
  if (device === 'cpu') return CPU_FORM;
  const kinds = [...weightSchemes(spec, config).values()].map(({ kind }) => kind);
  if (kinds.includes('channel')) throw channelRefused(spec);
  const isFloat32 = (typeof spec === 'string' ? spec : spec.default) === 'fp32';
  return {
    elementType: isFloat32 ? 'float32' : 'float16',
    attention: isFloat32 ? 'scatter' : 'grouped',
    integerProducts: false,
    qkv: false,
    candidates: Math.min(CANDIDATES, config.vocabularySize),
  };
}

/** What a runner must know of a graph's keys and values. */
export function kvForm({ attention, elementType }: GraphForm): KvForm {
  return { layout: attention === 'scatter' ? 'width' : 'heads', elementType };
}

function channelRefused(spec: PrecisionSpec): InvalidInputError {
  const expected = "'int8' in place of 'int8-channel'";
  return new InvalidInputError(
    'INHOUSE_INVALID_OPTION',
    `load: precision is ${JSON.stringify(precisionLabel(spec))}; ` +
      `on a GPU it must be ${expected}: there are no kernels for that one.`,
    { details: { option: 'precision', expected } },
  );
}
