// Whole sequences computed apart from the open rows, in one row of their own: scoring and embedding.
#pragma once

#include <cstdint>
#include <vector>

#include "../kv/kv_store.h"
#include "../model_shape.h"
#include "stepper.h"

namespace inhouse {

/** Positions whose logits are computed at once: 64 * 50 257 floats are 13 MB. */
inline constexpr std::size_t scoreTokens = 64;

/** Where the results of a scoring go: memory that the caller provides, n = tokens - from. */
struct ScoreOutput {
  double* logprobs;      // [n]
  std::int32_t* argmax;  // [n]
  float* logits;         // [n, V], or null when they are not wanted
};

class SequencePass {
 public:
  /** Row 0 of the store is for this alone. The stepper and the store must outlive the pass. */
  SequencePass(Stepper& stepper, KvStore& kv, const ModelShape& shape) : stepper_(stepper), kv_(kv), shape_(shape) {}

  /** Scores tokens[from..], each given all tokens before it; 1 <= from < tokens.size() <= context length. */
  void score(const std::vector<std::int32_t>& tokens, std::size_t from, const ScoreOutput& output);

  /** The final hidden states of 1..context tokens, averaged over all positions or taken at the last: result [D]. */
  void embed(const std::vector<std::int32_t>& tokens, bool mean, float* result);

 private:
  Stepper& stepper_;
  KvStore& kv_;
  ModelShape shape_;
};

}  // namespace inhouse
