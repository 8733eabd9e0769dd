// Products with matrices in blocks, as an operator of our own with a meaning in ONNX Runtime's operators.
//
// A session that registers `BlockwiseMatMul` (native/products) runs that kernel, whose results for a row do not depend on the
// rows beside it. Any other session finds the function below in the model and runs MatMulNBits. One graph serves both.
import { INHOUSE } from './cached-attention.js';
import { AttributeType, DataType, type FunctionProto } from './onnx-format.js';
import { MICROSOFT } from './writer.js';

/** MatMulNBits then rounds the inputs to 8 bits, block by block, and multiplies integers. */
const ACCURACY_INT8 = 4;

const attribute = (name: string) => ({ name, type: AttributeType.int, refAttrName: name });

/**
 * Inputs: x [..., K] float32; codes uint8 [N, kb, block_size * bits / 8], low bits first; scales [N, kb], float32 where
 * `bits` is 8 and bfloat16 where it is 4; zero points, where it is 4, uint8 [N, ceil(kb / 2)]; bias [N], or none.
 * kb = ceil(K / block_size). Output: [..., N] float32.
 *
 * Each row of x is rounded to 8 bits in blocks of block_size, with scales max |x| / 127. Integers of a block are multiplied
 * and added exactly; the blocks' sums, times both scales, are added in float32, and the bias last.
 */
export const BLOCKWISE_MATMUL: FunctionProto = {
  domain: INHOUSE,
  name: 'BlockwiseMatMul',
  input: ['x', 'codes', 'scales', 'zero_points', 'bias'],
  output: ['product'],
  attribute: ['K', 'N', 'bits', 'block_size'],
  node: [
    {
      name: 'Cast',
      opType: 'Cast',
      domain: '',
      input: ['scales'],
      output: ['float_scales'],
      attribute: [{ name: 'to', type: AttributeType.int, i: DataType.float }],
    },
    {
      name: 'MatMulNBits',
      opType: 'MatMulNBits',
      domain: MICROSOFT,
      input: ['x', 'codes', 'float_scales', 'zero_points', '', 'bias'],
      output: ['product'],
      attribute: [
        ...['K', 'N', 'bits', 'block_size'].map(attribute),
        { name: 'accuracy_level', type: AttributeType.int, i: ACCURACY_INT8 },
      ],
    },
  ],
  opsetImport: [
    { domain: '', version: 17 },
    { domain: MICROSOFT, version: 1 },
  ],
};
