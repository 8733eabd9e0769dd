// The names of the graph's inputs and outputs: the only thing a runner needs to know about a graph.
// B rows, S new tokens per row, N heads, H head size, D = N * H, V vocabulary, K wanted rows of logits, C candidates.
// R rows of KV buffers, of which the step needs B; P is their capacity, T = max(P, total_sequence_length).
// Which of them a graph has, and the type of KV, is for its form (form.ts) to say.

/** How a graph wants the keys and values of a layer. */
export interface KvForm {
  /** 'heads': [rows, N, P, H]. 'width': [rows, P, D]. */
  readonly layout: 'heads' | 'width';
  readonly elementType: 'float32' | 'float16';
}

export const io = {
  /** int64 [B, S] */
  inputIds: 'input_ids',
  /** int64 [B, S]: 0-based positions, per row. */
  positionIds: 'position_ids',
  /** int32 [B]: valid KV positions after this step, minus one. */
  seqlensK: 'seqlens_k',
  /**
   * int32 [B], on the CPU: where each row's KV lies among the R of the buffers. ONNX Runtime's own operators know nothing
   * of it: a session without ours needs 0..B-1.
   */
  kvRows: 'kv_rows',
  /** int32 scalar: the largest number of valid KV positions after this step. */
  totalSequenceLength: 'total_sequence_length',
  /** int64 [K]: which of the B * S flattened hidden rows to project onto the vocabulary. May be empty. */
  logitsIndex: 'logits_index',
  /** [R, N, P, H] on the CPU, else [B, N, P, H] or [B, P, D]: see KvForm. */
  pastKey: (layer: number) => `past_key_values.${layer}.key`,
  pastValue: (layer: number) => `past_key_values.${layer}.value`,

  /** float32 [K, V] */
  logits: 'logits',
  /** float32 [B, S, D]: after the final layer normalisation. */
  hidden: 'hidden',
  /** On devices. [B, N, T, H] or [B, P, D]: past plus new. Bound to the very memory of past, it is updated in place. */
  presentKey: (layer: number) => `present.${layer}.key`,
  presentValue: (layer: number) => `present.${layer}.value`,
  /**
   * float32 [B, S, 3 * D]: the new queries, keys and values of a layer side by side, for a runner that keeps its own KV
   * buffers and cannot bind memory: it fetches S positions instead of T.
   */
  qkv: (layer: number) => `qkv.${layer}`,
  /** int32 [K, C]: tokens of the largest logits, largest first. Equal ones come in any order on a GPU. */
  topIds: 'top_ids',
  /** float32 [K, C]: their logits. */
  topLogits: 'top_logits',
  /** float32 [K, 1]: log-probability of the first candidate, which with the logits gives those of all. */
  topLogprob: 'top_logprob',
} as const;
