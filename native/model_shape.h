// The sizes of a GPT-2 that the hot loop needs to know, and what form its graph has.
#pragma once

#include <cstddef>

namespace inhouse {

struct ModelShape {
  std::size_t layers;
  std::size_t heads;
  std::size_t headSize;
  std::size_t width;  // heads * headSize
  std::size_t vocabularySize;
  std::size_t contextLength;
};

/** KvForm and `candidates` of src/runtime/runner.ts. */
struct GraphForm {
  /** The KV of a layer is [rows, heads, positions, headSize]; else [rows, positions, width]. */
  bool separateHeads = true;
  std::size_t kvElementBytes = sizeof(float);
  /** The best tokens that the graph ranks per row of logits; 0 when it ranks none. */
  std::size_t candidates = 0;
};

}  // namespace inhouse
