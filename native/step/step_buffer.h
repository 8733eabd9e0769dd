// Memory of a step that the graph works on and the host fills or reads. Where the graph computes in host memory it is
// one piece; for a device it is two, and what the one side wrote is copied when the other is to see it.
#pragma once

#include <cstddef>
#include <optional>

#include "../device/device_memory.h"
#include "../ort/session.h"
#include "../platform/reserved_memory.h"

namespace inhouse {

class StepBuffer {
 public:
  /**
   * `device` is null where the graph computes in host memory. Session and device must outlive the buffer.
   * Throws a std::runtime_error when there is no memory.
   */
  StepBuffer(const Session& session, DeviceMemory* device, std::size_t bytes);
  ~StepBuffer();
  StepBuffer(const StepBuffer&) = delete;
  StepBuffer& operator=(const StepBuffer&) = delete;

  /** Where the graph finds `offset`: for tensors. */
  std::byte* graphSide(std::size_t offset) { return (device_ ? onDevice_.get() : host()) + offset; }

  /** Where the host finds `offset`: to fill it before `send`, or to read it after `fetch`. */
  template <class T>
  T* hostSide(std::size_t offset) {
    return reinterpret_cast<T*>(host() + offset);
  }

  /** Shows the graph the first `bytes`. */
  void send(std::size_t bytes);

  /** Shows the host `bytes` from `offset` on. */
  void fetch(std::size_t offset, std::size_t bytes);

 private:
  std::byte* host();

  DeviceMemory* device_;
  std::size_t bytes_;
  DeviceBlock onDevice_;
  std::byte* pageLocked_ = nullptr;       // with a device: the host's side, made when it is first wanted
  std::optional<ReservedMemory> shared_;  // without one: both sides, with memory where something was written
};

}  // namespace inhouse
