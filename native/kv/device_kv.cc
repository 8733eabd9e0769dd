// When the blocks are replaced, by what, and what is copied.
#include "device_kv.h"

#include <algorithm>

#include "../failure.h"

namespace inhouse {
namespace {

constexpr std::size_t capacityStep = 128;  // positions
/** Freed blocks of so many bytes go back to the device after the next step; ONNX Runtime's allocator keeps fewer. */
constexpr std::size_t worthReturning = std::size_t{64} << 20;

std::size_t capacityFor(std::size_t positions) { return (positions + capacityStep - 1) / capacityStep * capacityStep; }

std::size_t powerOfTwoFrom(std::size_t count) {
  std::size_t power = 1;
  while (power < count) power *= 2;
  return power;
}

}  // namespace

DeviceKv::DeviceKv(Session& session, DeviceMemory& memory, const KvShape& shape, bool keepsBlocks)
    : session_(session),
      memory_(memory),
      shape_(shape),
      keepsBlocks_(keepsBlocks),
      held_(shape.rows, 0),
      blocks_(2 * shape.layers) {}

void DeviceKv::resize(std::size_t row, std::size_t positions) {
  const std::size_t before = held_[row];
  if (positions >= before && extent_.holds({row + 1, positions})) {
    held_[row] = positions;
  } else if (positions > before) {
    grow(row, positions);
    held_[row] = positions;
  } else {
    held_[row] = positions;
    giveBack();
  }
}

void DeviceKv::copy(std::size_t from, std::size_t to, std::size_t positions) {
  if (positions == 0) return;
  for (const Block& block : blocks_) {
    const std::size_t pitch = headBytes(block.extent);
    memory_.copyWithin({at(block, from).data, pitch, at(block, to).data, pitch, positions * shape_.positionBytes(),
                        shape_.heads});
  }
  memory_.synchronise();
  copiedBytes_ += positions * bytesPerToken();
}

void DeviceKv::move(std::size_t from, std::size_t to, std::size_t positions) {
  resize(to, positions);
  copy(from, to, positions);
  resize(from, 0);
}

KvBlock DeviceKv::at(const Block& block, std::size_t row) const {
  return {block.memory.get() + row * shape_.heads * headBytes(block.extent), block.extent.capacity};
}

/** What the rows need for the positions they hold. */
DeviceKv::Extent DeviceKv::needed() const {
  const auto last = std::find_if(held_.rbegin(), held_.rend(), [](std::size_t positions) { return positions > 0; });
  if (last == held_.rend()) return {};
  return {rowsFor(static_cast<std::size_t>(held_.rend() - last)), capacityFor(longest())};
}

std::size_t DeviceKv::rowsFor(std::size_t count) const { return std::min(powerOfTwoFrom(count), shape_.rows); }

std::size_t DeviceKv::longest() const { return *std::max_element(held_.begin(), held_.end()); }

void DeviceKv::grow(std::size_t row, std::size_t positions) {
  const Extent before = extent_;
  try {
    fit({std::max(before.rows, rowsFor(row + 1)), std::max(before.capacity, capacityFor(positions))});
  } catch (const Failure&) {
    refit(before);
    throw;
  }
}

void DeviceKv::giveBack() {
  const Extent enough = needed();
  if (!keepsBlocks_ && 2 * enough.area() < extent_.area()) refit(enough);
}

/** As `fit`, for an extent that is no larger: where there is no room to copy a block, it stays as it is. */
void DeviceKv::refit(const Extent& extent) {
  try {
    fit(extent);
  } catch (const Failure&) {
    // Blocks of different extents do no harm: each is bound with its own.
  }
}

void DeviceKv::fit(const Extent& extent) {
  generation_++;
  extent_ = {std::min(extent_.rows, extent.rows), std::min(extent_.capacity, extent.capacity)};
  for (Block& block : blocks_)
    if (block.extent.rows != extent.rows || block.extent.capacity != extent.capacity) replace(block, extent);
  extent_ = extent;
  if (!keepsBlocks_ && freedBytes_ >= worthReturning) {
    session_.returnUnusedMemory();
    freedBytes_ = 0;
  }
}

void DeviceKv::replace(Block& block, const Extent& extent) {
  const std::size_t bytes = blockBytes(extent);
  Block next{DeviceBlock(), extent};
  if (bytes > 0) {
    next.memory = session_.allocate(bytes);
    memory_.zero(next.memory.get(), bytes);
    copyRows(block, next);
    memory_.synchronise();
  }
  const std::size_t bytesBefore = blockBytes(block.extent);
  committedBytesPeak_ = std::max(committedBytesPeak_, committedBytes_ + bytes);
  committedBytes_ += bytes - bytesBefore;  // modulo arithmetic: the difference may be negative
  freedBytes_ += bytesBefore;
  block = std::move(next);
}

void DeviceKv::copyRows(const Block& from, const Block& to) {
  const std::size_t rows = std::min(from.extent.rows, to.extent.rows);
  const std::size_t positions = longest();
  if (rows == 0 || positions == 0) return;
  const std::size_t bytes = positions * shape_.positionBytes();
  memory_.copyWithin({from.memory.get(), headBytes(from.extent), to.memory.get(), headBytes(to.extent), bytes,
                      rows * shape_.heads});
  copiedBytes_ += bytes * rows * shape_.heads;
}

}  // namespace inhouse
