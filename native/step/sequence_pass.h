// Whole sequences computed apart from the open rows, in one spare row of the arena: scoring and embedding.
#pragma once

#include <cstdint>
#include <vector>

#include "../kv/kv_arena.h"
#include "../model_shape.h"
#include "stepper.h"

namespace inhouse {

/** Where the results of a scoring go: memory that the caller provides, n = tokens - from. */
struct ScoreOutput {
  double* logprobs;      // [n]
  std::int32_t* argmax;  // [n]
  float* logits;         // [n, V], or null when they are not wanted
};

class SequencePass {
 public:
  /** `row` is free for this alone. The stepper and the arena must outlive the pass. */
  SequencePass(Stepper& stepper, KvArena& arena, const ModelShape& shape, std::size_t row);

  /** Scores tokens[from..], each given all tokens before it; 1 <= from < tokens.size() <= context length. */
  void score(const std::vector<std::int32_t>& tokens, std::size_t from, const ScoreOutput& output);

  /** The final hidden states of 1..context tokens, averaged over all positions or taken at the last: result [D]. */
  void embed(const std::vector<std::int32_t>& tokens, bool mean, float* result);

 private:
  Stepper& stepper_;
  KvArena& arena_;
  ModelShape shape_;
  std::size_t row_;
};

}  // namespace inhouse
