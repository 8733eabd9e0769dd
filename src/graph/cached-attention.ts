// Attention over the KV cache, as an operator of our own with a meaning in ONNX Runtime's operators.
//
// A session that registers `CachedAttention` (native/attention) runs that kernel, which also appends the new keys and
// values to the cache, in place. Any other session finds the function below in the model and runs GroupQueryAttention,
// which leaves the cache as it is. One graph serves both.
import { AttributeType, type FunctionProto } from './onnx-format.js';
import { MICROSOFT } from './writer.js';

export const INHOUSE = 'inhouse';

/**
 * Inputs: qkv [B, S, 3 * D], key and value cache [R, N, P, H], kv_rows [B], seqlens_k [B], total_sequence_length, as in
 * io.ts. The function ignores kv_rows: it takes the first B rows.
 * Output: [B, S, D].
 */
export const CACHED_ATTENTION: FunctionProto = {
  domain: INHOUSE,
  name: 'CachedAttention',
  input: ['qkv', 'keys', 'values', 'kv_rows', 'seqlens_k', 'total_sequence_length'],
  output: ['attention'],
  attribute: ['num_heads', 'scale'],
  node: [
    {
      name: 'GroupQueryAttention',
      opType: 'GroupQueryAttention',
      domain: MICROSOFT,
      input: ['qkv', '', '', 'keys', 'values', 'seqlens_k', 'total_sequence_length'],
      output: ['attention', 'present_keys', 'present_values'],
      attribute: [
        { name: 'num_heads', type: AttributeType.int, refAttrName: 'num_heads' },
        { name: 'kv_num_heads', type: AttributeType.int, refAttrName: 'num_heads' },
        { name: 'scale', type: AttributeType.float, refAttrName: 'scale' },
      ],
    },
  ],
  opsetImport: [{ domain: MICROSOFT, version: 1 }],
};
