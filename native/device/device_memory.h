// Memory of a device, apart from that of the process: what can be done with it. Blocks come from ONNX Runtime's
// allocator for the device (ort/session.h); the host must not read or write at their addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace inhouse {

/** `rows` pieces of `rowBytes` each, with the distance from one to the next on either side. */
struct StridedCopy {
  const std::byte* from;
  std::size_t fromPitch;
  std::byte* to;
  std::size_t toPitch;
  std::size_t rowBytes;
  std::size_t rows;
};

/** Figures that the device does not tell are absent. */
struct DeviceFigures {
  std::string name;
  std::uint64_t totalBytes = 0;
  std::uint64_t freeBytes = 0;
  /** Held by this process. */
  std::optional<std::uint64_t> processBytes;
};

/** What can fail throws a Failure (INHOUSE_RUNTIME_STEP). */
class DeviceMemory {
 public:
  virtual ~DeviceMemory() = default;

  /** Host memory that the device reaches by itself; goes back through freeHost. */
  virtual void* allocateHost(std::size_t bytes) = 0;
  virtual void freeHost(void* memory) noexcept = 0;

  /** From and to memory of allocateHost; done when they return. */
  virtual void copyIn(std::byte* to, const std::byte* from, std::size_t bytes) = 0;
  virtual void copyOut(std::byte* to, const std::byte* from, std::size_t bytes) = 0;

  /** Within the device; done after `synchronise`. */
  virtual void copyWithin(const StridedCopy& copy) = 0;
  virtual void zero(std::byte* at, std::size_t bytes) = 0;
  virtual void synchronise() = 0;

  virtual DeviceFigures figures() const = 0;
};

}  // namespace inhouse
