// The memory of an NVIDIA GPU.
#pragma once

#include "cuda_context.h"
#include "device_memory.h"

namespace inhouse {

class CudaMemory : public DeviceMemory {
 public:
  /** Throws a Failure (INHOUSE_RUNTIME_LOAD) when there is no driver or no such GPU. */
  explicit CudaMemory(int deviceId) : context_(deviceId) {}

  void* allocateHost(std::size_t bytes) override;
  void freeHost(void* memory) noexcept override;
  void copyIn(std::byte* to, const std::byte* from, std::size_t bytes) override;
  void copyOut(std::byte* to, const std::byte* from, std::size_t bytes) override;
  void copyWithin(const StridedCopy& copy) override;
  void zero(std::byte* at, std::size_t bytes) override;
  void synchronise() override;
  DeviceFigures figures() const override;

 private:
  CudaContext context_;
};

}  // namespace inhouse
