// The sizes of a GPT-2 that the hot loop needs to know.
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

}  // namespace inhouse
