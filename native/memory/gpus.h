// NVIDIA GPUs and their memory, told by the driver's own library (NVML), which is opened if the machine has it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace inhouse {

/** Figures that a device does not tell are absent. */
struct Gpu {
  std::string name;
  std::uint64_t totalBytes;
  std::uint64_t usedBytes;
  std::uint64_t freeBytes;
  /** Held by this process. */
  std::optional<std::uint64_t> processBytes;
  /** Percent of the recent past in which it computed. */
  std::optional<unsigned> utilisationPercent;
  std::optional<unsigned> temperatureCelsius;
  std::optional<unsigned> powerMilliwatts;
};

/** Opens the library at `path`, or the system's where that is empty. No library, or no driver: no GPUs. */
std::vector<Gpu> readGpus(const std::string& path);

/** Memory that this process holds on the GPU at that place of the PCI bus, such as "0000:3B:00.0". */
std::optional<std::uint64_t> gpuBytesOfThisProcess(const std::string& pciBusId);

}  // namespace inhouse
