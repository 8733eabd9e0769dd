// Which pages of the range belong to which row, and what is counted of them.
#include "host_kv.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

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
      places_(shape.rows),
      headBytesHeld_(shape.rows, 0) {
  std::iota(places_.begin(), places_.end(), std::size_t{0});
}

void HostKv::resize(std::size_t row, std::size_t positions) {
  const std::size_t held = headBytesHeld_[row];
  const std::size_t wanted = roundUp(positions * positionBytes_, pageSize_);
  if (wanted > held) commit(places_[row], held, wanted);
  if (wanted < held) release(places_[row], wanted, held);
  headBytesHeld_[row] = wanted;
  committedBytes_ += blocks() * shape_.heads * (wanted - held);  // modulo arithmetic: wanted - held may be negative
  committedBytesPeak_ = std::max(committedBytesPeak_, committedBytes_);
}

void HostKv::copy(std::size_t from, std::size_t to, std::size_t positions) {
  for (std::size_t block = 0; block < blocks(); block++)
    for (std::size_t head = 0; head < shape_.heads; head++)
      std::memcpy(memory_.data() + offset(block, places_[to], head),
                  memory_.data() + offset(block, places_[from], head), positions * positionBytes_);
  copiedBytes_ += positions * bytesPerToken();
}

void HostKv::move(std::size_t from, std::size_t to, std::size_t) {
  std::swap(places_[from], places_[to]);
  std::swap(headBytesHeld_[from], headBytesHeld_[to]);
}

void HostKv::commit(std::size_t place, std::size_t begin, std::size_t end) {
  for (std::size_t block = 0; block < blocks(); block++)
    for (std::size_t head = 0; head < shape_.heads; head++)
      memory_.commit(offset(block, place, head) + begin, end - begin);
}

void HostKv::release(std::size_t place, std::size_t begin, std::size_t end) {
  for (std::size_t block = 0; block < blocks(); block++) {
    if (begin == 0) {  // the heads lie side by side, and all of it goes
      memory_.release(offset(block, place, 0), rowBytes());
      continue;
    }
    for (std::size_t head = 0; head < shape_.heads; head++)
      memory_.release(offset(block, place, head) + begin, end - begin);
  }
}

}  // namespace inhouse
