// The KV cache as rows and steps see it: rows that get memory as they grow, in one block of K and one of V per layer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace inhouse {

struct KvShape {
  std::size_t layers;
  std::size_t rows;
  std::size_t heads;
  std::size_t headSize;
  std::size_t contextLength;  // positions
  std::size_t elementSize;    // bytes

  std::size_t positionBytes() const { return headSize * elementSize; }  // of one head
  std::size_t bytesPerToken() const { return 2 * layers * heads * positionBytes(); }
};

/** The K or V of one layer, from some place on: [.., heads, capacity, headSize]. */
struct KvBlock {
  std::byte* data;
  std::size_t capacity;  // positions
};

/** Bytes. */
struct KvFigures {
  std::size_t reserved;
  std::size_t committed;
  std::size_t committedPeak;
  std::size_t copied;
};

class KvStore {
 public:
  virtual ~KvStore() = default;

  virtual KvBlock keys(std::size_t layer, std::size_t place) const = 0;
  virtual KvBlock values(std::size_t layer, std::size_t place) const = 0;

  /** Where a row lies in the blocks, which have as many places as there are rows. */
  virtual std::size_t place(std::size_t row) const = 0;

  /** Changes whenever a block has moved or changed its capacity. */
  virtual std::uint64_t generation() const = 0;

  /** There is memory for the row, and nothing is held in it. */
  virtual bool isSpare(std::size_t row) const = 0;

  /**
   * Provides memory for the first `positions` of a row and gives back what lies beyond them.
   * Throws std::runtime_error, with all rows as they were, when there is none; never when it gives back.
   */
  virtual void resize(std::size_t row, std::size_t positions) = 0;

  /** Copies the first `positions` of a row to another, which must have been resized to hold them. */
  virtual void copy(std::size_t from, std::size_t to, std::size_t positions) = 0;

  /**
   * Gives what a row holds, `positions`, to another one that holds nothing. Throws a Failure, with all rows as they were,
   * where that takes memory that is not to be had.
   */
  virtual void move(std::size_t from, std::size_t to, std::size_t positions) = 0;

  virtual std::size_t bytesPerToken() const = 0;
  virtual KvFigures figures() const = 0;
};

}  // namespace inhouse
