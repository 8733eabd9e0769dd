#include "step_buffer.h"

namespace inhouse {

StepBuffer::StepBuffer(const Session& session, DeviceMemory* device, std::size_t bytes)
    : device_(device), bytes_(bytes) {
  if (device_ != nullptr) {
    onDevice_ = session.allocate(bytes);
  } else {
    const std::size_t page = ReservedMemory::pageSize();
    shared_.emplace((bytes + page - 1) / page * page);
    shared_->commit(0, shared_->size());
  }
}

StepBuffer::~StepBuffer() {
  if (pageLocked_ != nullptr) device_->freeHost(pageLocked_);
}

void StepBuffer::send(std::size_t bytes) {
  if (device_ != nullptr) device_->copyIn(onDevice_.get(), host(), bytes);
}

void StepBuffer::fetch(std::size_t offset, std::size_t bytes) {
  if (device_ != nullptr) device_->copyOut(host() + offset, onDevice_.get() + offset, bytes);
}

std::byte* StepBuffer::host() {
  if (device_ == nullptr) return shared_->data();
  if (pageLocked_ == nullptr) pageLocked_ = static_cast<std::byte*>(device_->allocateHost(bytes_));
  return pageLocked_;
}

}  // namespace inhouse
