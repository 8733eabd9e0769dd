// Host memory in the place of a device's, so that all that is done for a device can be tested without one.
#pragma once

#include "device_memory.h"

namespace inhouse {

class HostMemory : public DeviceMemory {
 public:
  void* allocateHost(std::size_t bytes) override;
  void freeHost(void* memory) noexcept override;
  void copyIn(std::byte* to, const std::byte* from, std::size_t bytes) override;
  void copyOut(std::byte* to, const std::byte* from, std::size_t bytes) override;
  void copyWithin(const StridedCopy& copy) override;
  void zero(std::byte* at, std::size_t bytes) override;
  void synchronise() override {}
  /** A name, and no memory of its own. */
  DeviceFigures figures() const override { return {"host memory", 0, 0, std::nullopt}; }
};

}  // namespace inhouse
