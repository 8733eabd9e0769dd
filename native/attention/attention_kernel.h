// The arithmetic of causal attention over a KV cache, compiled once per vector width of the processor.
//
// The softmax is computed as keys come along, a block of them at a time: what was added up before is scaled down when a
// block has a higher score. One new position reads its keys and values once, at the speed of memory. Several new
// positions are handled side by side, one per lane: then neither keys nor values have to be transposed, and no sum runs
// across a vector. Both form each sum in the same order, so results depend on nothing but the row's own numbers: not on
// other rows, nor on threads, nor on how many positions came at a time.
#pragma once

#include <cstddef>

namespace inhouse {

/** S new positions of one head of one row, the last of `positions` that the head then has. */
struct AttentionHead {
  const float* queries;  // [S, H], rows `stride` floats apart
  std::size_t stride;
  float* keys;           // [positions, H]
  float* values;         // [positions, H]
  float* output;         // [S, H], rows `outputStride` floats apart
  std::size_t outputStride;
  std::size_t newPositions;  // S
  std::size_t positions;
  std::size_t headSize;  // H, a multiple of 8
  float scale;
};

/** The kernels for one vector width. */
struct AttentionKernels {
  /** New positions that `block` handles at once. */
  std::size_t blockLength;
  /** S = 1. Fetches the first keys of `upcoming`, the head that follows, into the cache, unless it is null. */
  void (*one)(const AttentionHead&, const AttentionHead* upcoming, float* scratch);
  /** New positions begin..begin + blockLength, or up to the last. */
  void (*block)(const AttentionHead&, std::size_t begin, float* scratch);

  /** Floats that a call needs, a multiple of 16; they should begin at a multiple of 64 bytes. */
  std::size_t scratchLength(std::size_t headSize) const;
};

/** Those for this processor. */
const AttentionKernels& attentionKernels(std::size_t headSize);

}  // namespace inhouse
