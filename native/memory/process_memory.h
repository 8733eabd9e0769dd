// What this process takes of the machine's memory, in bytes. Figures that a system does not tell are absent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace inhouse {

struct ProcessMemory {
  /** Resident now, and the most it ever was. */
  std::uint64_t residentBytes = 0;
  std::uint64_t peakBytes = 0;
  /** Of the resident bytes: the process's own, and those of mapped files such as weights. */
  std::optional<std::uint64_t> privateBytes;
  std::optional<std::uint64_t> mappedBytes;
};

/** Throws std::runtime_error where the system refuses. */
ProcessMemory readProcessMemory();

/**
 * The memory limit of this process's control group (Linux, cgroup v1 or v2), the smallest of its ancestors' included;
 * nothing where there is none. Files are read below `root`, which is "/" except in tests.
 */
std::optional<std::uint64_t> readCgroupMemoryLimit(const std::string& root);

}  // namespace inhouse
