// How the products keep a matrix and the rows they multiply it with: plain memory, the same for every processor.
//
// Outputs come in panels of 32, inputs in groups of 4: what one vector instruction multiplies lies side by side.
//
//   8 bits   panel = for each block { codes [block / 4][32 outputs][4 inputs] uint8, scales [32] float32 }
//   4 bits   panel = for each block { codes [block / 8][32 outputs][4 inputs] uint8, scales [32] bfloat16,
//            zero points [32] uint8 }; of the 8 inputs of a step the first 4 are in the low halves of the bytes
//
// A weight is (code - zero point) * scale; the zero point of 8 bits is 128. Outputs that only fill the last panel have
// scale 0.
#pragma once

#include <cstddef>
#include <cstdint>

namespace inhouse {

inline constexpr std::size_t panelOutputs = 32;
inline constexpr std::size_t groupInputs = 4;

/** The sizes of a matrix that is stored in blocks of `block` inputs of one output that share a scale. */
struct BlockGrid {
  std::size_t inputs;
  std::size_t outputs;
  std::size_t bits;   // 8 or 4
  std::size_t block;  // 16, 32, 64, 128 or 256

  std::size_t blocks() const { return (inputs + block - 1) / block; }
  std::size_t paddedInputs() const { return blocks() * block; }
  std::size_t panels() const { return (outputs + panelOutputs - 1) / panelOutputs; }

  /** Of one block of one panel: its codes, and all of it. */
  std::size_t codeBytes() const { return panelOutputs * block * bits / 8; }
  std::size_t blockBytes() const { return codeBytes() + panelOutputs * (bits == 8 ? 4 : 3); }
  std::size_t panelBytes() const { return blocks() * blockBytes(); }
};

/** Rows rounded to 8 bits, block by block: x = value * scale. */
struct RoundedRows {
  std::int8_t* values;         // [rows, padded inputs]
  float* scales;               // [rows, blocks]
  std::int32_t* negativeSums;  // [rows, blocks]: of the block's values; times the zero point, what a product has too much

  RoundedRows from(std::size_t row, const BlockGrid& grid) const {
    return {values + row * grid.paddedInputs(), scales + row * grid.blocks(), negativeSums + row * grid.blocks()};
  }
};

}  // namespace inhouse
