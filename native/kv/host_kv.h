// The KV cache in host memory: one address range that is reserved whole and gets memory page by page as rows grow.
//
// Any row can have any place in it, so a row moves by changing places, and nothing is copied.
//
// `capacity` is the context length rounded up until a head's positions fill whole pages. Then no page belongs to two
// rows, and the committed memory is exact arithmetic: a row that holds n positions has, per layer, head and K or V,
// ceil(n * headSize * elementSize / page size) pages.
#pragma once

#include <vector>

#include "../platform/reserved_memory.h"
#include "kv_store.h"

namespace inhouse {

class HostKv : public KvStore {
 public:
  /** Throws std::runtime_error when the address space is not to be had. */
  explicit HostKv(const KvShape& shape);

  KvBlock keys(std::size_t layer, std::size_t place) const override { return block(2 * layer, place); }
  KvBlock values(std::size_t layer, std::size_t place) const override { return block(2 * layer + 1, place); }
  std::size_t place(std::size_t row) const override { return places_[row]; }
  std::uint64_t generation() const override { return 0; }
  bool isSpare(std::size_t) const override { return false; }  // a row has no memory before it holds something
  void resize(std::size_t row, std::size_t positions) override;
  void copy(std::size_t from, std::size_t to, std::size_t positions) override;
  void move(std::size_t from, std::size_t to, std::size_t positions) override;
  std::size_t bytesPerToken() const override { return shape_.bytesPerToken(); }
  KvFigures figures() const override { return {memory_.size(), committedBytes_, committedBytesPeak_, copiedBytes_}; }

 private:
  std::size_t blocks() const { return 2 * shape_.layers; }
  std::size_t headBytes() const { return capacity_ * positionBytes_; }
  std::size_t rowBytes() const { return shape_.heads * headBytes(); }
  std::size_t offset(std::size_t block, std::size_t place, std::size_t head) const {
    return (block * shape_.rows + place) * rowBytes() + head * headBytes();
  }
  KvBlock block(std::size_t block, std::size_t place) const {
    return {memory_.data() + offset(block, place, 0), capacity_};
  }
  void commit(std::size_t place, std::size_t begin, std::size_t end);
  void release(std::size_t place, std::size_t begin, std::size_t end);

  KvShape shape_;
  std::size_t pageSize_;
  std::size_t positionBytes_;  // of one head
  std::size_t capacity_;       // positions
  ReservedMemory memory_;
  std::vector<std::size_t> places_;         // per row
  std::vector<std::size_t> headBytesHeld_;  // per row: memory of each of its heads, whole pages
  std::size_t committedBytes_ = 0;
  std::size_t committedBytesPeak_ = 0;
  std::size_t copiedBytes_ = 0;
};

}  // namespace inhouse
