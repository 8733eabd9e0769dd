// The KV cache: per layer one block for K and one for V, [rows, heads, capacity, headSize], in one address range that
// is reserved whole and gets memory page by page as rows grow.
//
// `capacity` is the context length rounded up until a head's positions fill whole pages. Then no page belongs to two
// rows, and the committed memory is exact arithmetic: a row that holds n positions has, per layer, head and K or V,
// ceil(n * headSize * elementSize / page size) pages.
#pragma once

#include <cstddef>
#include <vector>

#include "../platform/reserved_memory.h"

namespace inhouse {

struct KvShape {
  std::size_t layers;
  std::size_t rows;
  std::size_t heads;
  std::size_t headSize;
  std::size_t contextLength;  // positions
  std::size_t elementSize;    // bytes
};

class KvArena {
 public:
  /** Throws std::runtime_error when the address space is not to be had. */
  explicit KvArena(const KvShape& shape);

  /** Positions per head of a row, at least the context length. */
  std::size_t capacity() const { return capacity_; }

  /** Where the keys of row `row` begin; the rows after it follow. [.., heads, capacity, headSize] */
  std::byte* keys(std::size_t layer, std::size_t row) const { return at(block(layer, 0), row, 0); }
  std::byte* values(std::size_t layer, std::size_t row) const { return at(block(layer, 1), row, 0); }

  /**
   * Provides memory for the first `positions` of a row and gives back what lies beyond them.
   * Throws std::runtime_error, with the row as it was, when the system refuses.
   */
  void resize(std::size_t row, std::size_t positions);

  /** Copies the first `positions` of a row to another, which must have been resized to hold them. */
  void copy(std::size_t from, std::size_t to, std::size_t positions);

  std::size_t bytesPerToken() const;
  std::size_t reservedBytes() const { return memory_.size(); }
  std::size_t committedBytes() const { return committedBytes_; }
  std::size_t committedBytesPeak() const { return committedBytesPeak_; }
  std::size_t copiedBytes() const { return copiedBytes_; }

 private:
  std::size_t block(std::size_t layer, std::size_t kind) const { return 2 * layer + kind; }
  std::size_t blocks() const { return 2 * shape_.layers; }
  std::size_t headBytes() const { return capacity_ * positionBytes_; }
  std::size_t rowBytes() const { return shape_.heads * headBytes(); }
  std::size_t offset(std::size_t block, std::size_t row, std::size_t head) const;
  std::byte* at(std::size_t block, std::size_t row, std::size_t head) const {
    return memory_.data() + offset(block, row, head);
  }
  void commit(std::size_t row, std::size_t begin, std::size_t end);
  void release(std::size_t row, std::size_t begin, std::size_t end);

  KvShape shape_;
  std::size_t pageSize_;
  std::size_t positionBytes_;  // of one head
  std::size_t capacity_;       // positions
  ReservedMemory memory_;
  std::vector<std::size_t> headBytesHeld_;  // per row: memory of each of its heads, whole pages
  std::size_t committedBytes_ = 0;
  std::size_t committedBytesPeak_ = 0;
  std::size_t copiedBytes_ = 0;
};

}  // namespace inhouse
