// Each system's own way of telling a process its memory.
#include "process_memory.h"

#include <stdexcept>

#if defined(_WIN32)
#include <windows.h>
// psapi.h needs windows.h before it.
#include <psapi.h>
#elif defined(__APPLE__)
#include <mach/mach.h>
#else
#include <fstream>
#include <sstream>
#endif

namespace inhouse {

#if defined(_WIN32)

ProcessMemory readProcessMemory() {
  PROCESS_MEMORY_COUNTERS_EX counters;
  if (!K32GetProcessMemoryInfo(GetCurrentProcess(), reinterpret_cast<PROCESS_MEMORY_COUNTERS*>(&counters),
                               sizeof counters))
    throw std::runtime_error("GetProcessMemoryInfo failed with Windows error " + std::to_string(GetLastError()));
  ProcessMemory memory;
  memory.residentBytes = counters.WorkingSetSize;
  memory.peakBytes = counters.PeakWorkingSetSize;
  memory.privateBytes = counters.PrivateUsage;
  return memory;
}

#elif defined(__APPLE__)

ProcessMemory readProcessMemory() {
  task_vm_info_data_t info;
  mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
  if (task_info(mach_task_self(), TASK_VM_INFO, reinterpret_cast<task_info_t>(&info), &count) != KERN_SUCCESS)
    throw std::runtime_error("task_info failed");
  ProcessMemory memory;
  memory.residentBytes = info.resident_size;
  memory.peakBytes = info.resident_size_peak;
  memory.privateBytes = info.internal;
  memory.mappedBytes = info.external;
  return memory;
}

#else

ProcessMemory readProcessMemory() {
  std::ifstream status("/proc/self/status");
  if (!status) throw std::runtime_error("cannot read /proc/self/status");
  ProcessMemory memory;
  std::uint64_t files = 0;
  std::uint64_t shared = 0;
  for (std::string line; std::getline(status, line);) {  // such as "VmRSS:	   1234 kB"
    std::istringstream fields(line);
    std::string name;
    std::uint64_t kibibytes = 0;
    fields >> name >> kibibytes;
    const std::uint64_t bytes = kibibytes * 1024;
    if (name == "VmRSS:") memory.residentBytes = bytes;
    if (name == "VmHWM:") memory.peakBytes = bytes;
    if (name == "RssAnon:") memory.privateBytes = bytes;
    if (name == "RssFile:") files = bytes;
    if (name == "RssShmem:") shared = bytes;
  }
  if (memory.privateBytes) memory.mappedBytes = files + shared;
  return memory;
}

#endif

}  // namespace inhouse
