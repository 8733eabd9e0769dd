// A matrix in blocks of 8 or 4 bits, packed the way the kernels read it.
#pragma once

#include "../platform/reserved_memory.h"
#include "layout.h"

namespace inhouse {

/** As weight files have it: outputs one after the other. */
struct StoredBlocks {
  const std::uint8_t* codes;       // [outputs, blocks, block * bits / 8]; of 4 bits, the first input is in the low half
  const void* scales;              // [outputs, blocks]: float32 at 8 bits, bfloat16 at 4
  const std::uint8_t* zeroPoints;  // 4 bits: [outputs, (blocks + 1) / 2], two to a byte, the first in the low half
};

class PackedMatrix {
 public:
  /** What is `stored` is not needed afterwards. */
  PackedMatrix(const BlockGrid& grid, const StoredBlocks& stored);

  const BlockGrid& grid() const { return grid_; }
  const std::uint8_t* panel(std::size_t index) const {
    return reinterpret_cast<const std::uint8_t*>(memory_.data()) + index * grid_.panelBytes();
  }

 private:
  BlockGrid grid_;
  ReservedMemory memory_;
};

}  // namespace inhouse
