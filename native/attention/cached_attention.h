// The operator CachedAttention: causal attention over a KV cache that it extends in place.
//
// Inputs: qkv float [B, S, 3 * N * H], keys and values float [R, N, P, H], kv_rows int32 [B]: which of the R rows each of
// the B has, no two the same; seqlens_k int32 [B]: valid positions of each row after this step, minus one;
// total_sequence_length is there for sessions without this operator. Output: float [B, S, N * H]. Attributes: num_heads,
// scale. The new keys and values go to the last S valid positions of each row.
#pragma once

#include "../ort/custom_op.h"

namespace inhouse {

class CachedAttentionOp : public CustomOp {
 public:
  CachedAttentionOp(const Api& api, int threads);
  std::unique_ptr<Kernel> create(const NodeInfo& node) override;

 private:
  class Node;

  /** `length` floats for each thread, at the beginning of a cache line; returns those of the first. */
  float* scratch(std::size_t length);

  std::size_t threads_;
  std::vector<float> scratch_;  // shared by all nodes: a session runs one at a time
};

}  // namespace inhouse
