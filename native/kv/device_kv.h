// The KV cache in a device's memory: blocks of ONNX Runtime's allocator that are as large as the rows in use need them.
//
// A block is a rectangle: every row it has room for gets as many positions as the longest one. Rows come in powers of
// two, positions in multiples of 128, so a block seldom has to change; then it is replaced, and what rows hold is
// copied. One block after another, so the price of it is one block more. Rows that need less than half of what there is get
// blocks that fit, and none when nothing is held, unless the store was told to keep them. What is freed stays with ONNX
// Runtime's allocator, until so much was freed that the next run is told to return it.
#pragma once

#include <vector>

#include "../device/device_memory.h"
#include "../ort/session.h"
#include "kv_store.h"

namespace inhouse {

class DeviceKv : public KvStore {
 public:
  /** The session and the memory must outlive the store. With `keepsBlocks` they grow only. */
  DeviceKv(Session& session, DeviceMemory& memory, const KvShape& shape, bool keepsBlocks);

  KvBlock keys(std::size_t layer, std::size_t place) const override { return at(blocks_[2 * layer], place); }
  KvBlock values(std::size_t layer, std::size_t place) const override { return at(blocks_[2 * layer + 1], place); }
  std::size_t place(std::size_t row) const override { return row; }
  std::uint64_t generation() const override { return generation_; }
  bool isSpare(std::size_t row) const override { return row < extent_.rows && held_[row] == 0; }
  void resize(std::size_t row, std::size_t positions) override;
  void copy(std::size_t from, std::size_t to, std::size_t positions) override;
  void move(std::size_t from, std::size_t to, std::size_t positions) override;
  std::size_t bytesPerToken() const override { return shape_.bytesPerToken(); }
  KvFigures figures() const override { return {committedBytes_, committedBytes_, committedBytesPeak_, copiedBytes_}; }

 private:
  struct Extent {
    std::size_t rows = 0;
    std::size_t capacity = 0;  // positions

    bool holds(const Extent& other) const { return rows >= other.rows && capacity >= other.capacity; }
    std::size_t area() const { return rows * capacity; }
  };
  /** [extent.rows, heads, extent.capacity, headSize] */
  struct Block {
    DeviceBlock memory;
    Extent extent;
  };

  KvBlock at(const Block& block, std::size_t row) const;
  Extent needed() const;
  std::size_t rowsFor(std::size_t count) const;
  std::size_t longest() const;
  void grow(std::size_t row, std::size_t positions);
  void giveBack();
  void refit(const Extent& extent);
  /** Gives every block this extent. Throws a Failure when there is no memory: then some have it, which does no harm. */
  void fit(const Extent& extent);
  void replace(Block& block, const Extent& extent);
  void copyRows(const Block& from, const Block& to);
  std::size_t headBytes(const Extent& extent) const { return extent.capacity * shape_.positionBytes(); }
  std::size_t blockBytes(const Extent& extent) const { return extent.rows * shape_.heads * headBytes(extent); }

  Session& session_;
  DeviceMemory& memory_;
  KvShape shape_;
  bool keepsBlocks_;
  std::vector<std::size_t> held_;  // positions per row
  Extent extent_;                  // what every block has at least; after a growth that failed some have more
  std::vector<Block> blocks_;      // K and V of layer 0, of layer 1, ..
  std::uint64_t generation_ = 0;
  std::size_t committedBytes_ = 0;
  std::size_t committedBytesPeak_ = 0;
  std::size_t copiedBytes_ = 0;
  std::size_t freedBytes_ = 0;  // since memory was last returned to the device
};

}  // namespace inhouse
