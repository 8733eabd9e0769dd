// The logits of one row of a step, as a sampler gets them: the best ones at once where the graph has ranked them, all
// of them when they are asked for, which on a device means a copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace inhouse {

/** The `count` largest logits of a row, largest first. */
struct Candidates {
  const std::int32_t* tokens = nullptr;  // [count]
  const float* logits = nullptr;         // [count]
  /** Logarithm of the first one's probability. */
  float logprob = 0;
  std::size_t count = 0;
};

struct RowLogits {
  /** None where the graph does not rank. */
  Candidates candidates;
  /** All logits, [V]. */
  std::function<const float*()> all;
};

}  // namespace inhouse
