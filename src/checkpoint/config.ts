// A GPT-2 `config.json`, read, checked and renamed to the words the rest of the code uses.

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
