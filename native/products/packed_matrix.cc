// Puts outputs side by side, 32 at a time, with what else a block has behind its codes.
#include "packed_matrix.h"

#include <algorithm>
#include <cstring>

namespace inhouse {
namespace {

/** One block of one panel, of which `outputs` are there; the others stay 0. */
struct BlockPacker {
  const BlockGrid& grid;
  const StoredBlocks& stored;
  std::size_t firstOutput, outputs, block;
  std::uint8_t* packed;

  std::size_t place(std::size_t output) const { return (firstOutput + output) * grid.blocks() + block; }

  void pack() const {
    if (grid.bits == 8) {
      packCodes8();
      packScales<float>();
    } else {
      packCodes4();
      packScales<std::uint16_t>();
      packZeroPoints();
    }
  }

  void packCodes8() const {
    const std::uint8_t* from = stored.codes + place(0) * grid.block;
    std::uint8_t* to = packed;
    for (std::size_t k = 0; k < grid.block; k += groupInputs, to += panelOutputs * groupInputs) {
      for (std::size_t output = 0; output < outputs; output++)
        std::memcpy(to + output * groupInputs, from + output * grid.paddedInputs() + k, groupInputs);
    }
  }

  /** Of 8 stored inputs, two to a byte, inputs i and i + 4 share a byte. */
  void packCodes4() const {
    const std::uint8_t* from = stored.codes + place(0) * (grid.block / 2);
    std::uint8_t* to = packed;
    for (std::size_t k = 0; k < grid.block / 2; k += groupInputs, to += panelOutputs * groupInputs) {
      for (std::size_t output = 0; output < outputs; output++) {
        std::uint8_t bytes[groupInputs];  // inputs 0 and 1, 2 and 3, 4 and 5, 6 and 7
        std::memcpy(bytes, from + output * (grid.paddedInputs() / 2) + k, groupInputs);
        const auto pair = [](int low, int high) { return static_cast<std::uint8_t>((low & 15) | (high & 15) << 4); };
        const std::uint8_t paired[groupInputs] = {pair(bytes[0], bytes[2]), pair(bytes[0] >> 4, bytes[2] >> 4),
                                                  pair(bytes[1], bytes[3]), pair(bytes[1] >> 4, bytes[3] >> 4)};
        std::memcpy(to + output * groupInputs, paired, groupInputs);
      }
    }
  }

  template <class Scale>
  void packScales() const {
    std::uint8_t* to = packed + grid.codeBytes();
    for (std::size_t output = 0; output < outputs; output++, to += sizeof(Scale))
      std::memcpy(to, static_cast<const Scale*>(stored.scales) + place(output), sizeof(Scale));
  }

  void packZeroPoints() const {
    std::uint8_t* to = packed + grid.codeBytes() + panelOutputs * sizeof(std::uint16_t);
    const std::size_t stride = (grid.blocks() + 1) / 2;
    for (std::size_t output = 0; output < outputs; output++) {
      const std::uint8_t two = stored.zeroPoints[(firstOutput + output) * stride + block / 2];
      to[output] = block % 2 == 0 ? two & 15 : two >> 4;
    }
  }
};

}  // namespace

PackedMatrix::PackedMatrix(const BlockGrid& grid, const StoredBlocks& stored)
    : grid_(grid), memory_(grid.panels() * grid.panelBytes()) {
  memory_.commit(0, memory_.size());
  memory_.preferHugePages();
  auto* packed = reinterpret_cast<std::uint8_t*>(memory_.data());
  for (std::size_t first = 0; first < grid.outputs; first += panelOutputs) {
    const std::size_t outputs = std::min(panelOutputs, grid.outputs - first);
    for (std::size_t block = 0; block < grid.blocks(); block++, packed += grid.blockBytes())
      BlockPacker{grid, stored, first, outputs, block, packed}.pack();
  }
}

}  // namespace inhouse
