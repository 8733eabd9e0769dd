// Which pages of the range belong to which row, and what is counted of them.
#include "host_kv.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace inhouse {
namespace {

std::size_t roundUp(std::size_t value, std::size_t step) { return (value + step - 1) / step * step; }

}  // namespace

HostKv::HostKv(const KvShape& shape)
    : shape_(shape),
      pageSize_(ReservedMemory::pageSize()),
      positionBytes_(shape.positionBytes()),
      capacity_(roundUp(shape.contextLength, pageSize_ / std::gcd(pageSize_, positionBytes_))),
      memory_(blocks() * shape.rows * rowBytes()),
      headBytesHeld_(shape.rows, 0) {}

void HostKv::resize(std::size_t row, std::size_t positions) {
  const std::size_t held = headBytesHeld_[row];
  const std::size_t wanted = roundUp(positions * positionBytes_, pageSize_);
  if (wanted > held) commit(row, held, wanted);
  if (wanted < held) release(row, wanted, held);
  headBytesHeld_[row] = wanted;
  committedBytes_ += blocks() * shape_.heads * (wanted - held);  // modulo arithmetic: wanted - held may be negative
  committedBytesPeak_ = std::max(committedBytesPeak_, committedBytes_);
}

void HostKv::copy(std::size_t from, std::size_t to, std::size_t positions) {
  for (std::size_t block = 0; block < blocks(); block++)
    for (std::size_t head = 0; head < shape_.heads; head++)
      std::memcpy(at(block, to, head), at(block, from, head), positions * positionBytes_);
  copiedBytes_ += positions * bytesPerToken();
}

std::size_t HostKv::offset(std::size_t block, std::size_t row, std::size_t head) const {
  return (block * shape_.rows + row) * rowBytes() + head * headBytes();
}

void HostKv::commit(std::size_t row, std::size_t begin, std::size_t end) {
  for (std::size_t block = 0; block < blocks(); block++)
    for (std::size_t head = 0; head < shape_.heads; head++)
      memory_.commit(offset(block, row, head) + begin, end - begin);
}

void HostKv::release(std::size_t row, std::size_t begin, std::size_t end) {
  for (std::size_t block = 0; block < blocks(); block++) {
    if (begin == 0) {  // the heads lie side by side, and all of it goes
      memory_.release(offset(block, row, 0), rowBytes());
      continue;
    }
    for (std::size_t head = 0; head < shape_.heads; head++)
      memory_.release(offset(block, row, head) + begin, end - begin);
  }
}

}  // namespace inhouse
