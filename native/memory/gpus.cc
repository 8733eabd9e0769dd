// NVML, as far as it is asked.
#include "gpus.h"

#include <stdexcept>

#include "../platform/dynamic_library.h"

#ifdef _WIN32
#include <process.h>
#define INHOUSE_PROCESS_ID _getpid
#else
#include <unistd.h>
#define INHOUSE_PROCESS_ID getpid
#endif

namespace inhouse {
namespace {

// The part of NVML's ABI that is used here (nvml.h). Functions return 0 on success.
using Device = struct NvmlDevice*;
constexpr int success = 0;
constexpr int sensorGpu = 0;
constexpr std::uint64_t notAvailable = ~std::uint64_t{0};

struct Memory {
  unsigned long long total, free, used;  // bytes
};
struct Utilisation {
  unsigned gpu, memory;  // percent
};
struct Process {
  unsigned pid;
  unsigned long long usedBytes;
  unsigned gpuInstance, computeInstance;
};

class Nvml {
 public:
  /** Throws std::runtime_error when there is no library, or it lacks a function, or finds no driver. */
  explicit Nvml(const std::string& path) : library_(path) {
    load(initialise_, "nvmlInit_v2");
    load(shutdown_, "nvmlShutdown");
    load(deviceCount, "nvmlDeviceGetCount_v2");
    load(device, "nvmlDeviceGetHandleByIndex_v2");
    deviceAt = library_.find<int (*)(const char*, Device*)>("nvmlDeviceGetHandleByPciBusId_v2");
    load(name, "nvmlDeviceGetName");
    load(memory, "nvmlDeviceGetMemoryInfo");
    load(utilisation, "nvmlDeviceGetUtilizationRates");
    load(temperature, "nvmlDeviceGetTemperature");
    load(power, "nvmlDeviceGetPowerUsage");
    load(processes, "nvmlDeviceGetComputeRunningProcesses_v3");
    if (initialise_() != success) throw std::runtime_error("NVML finds no driver");
  }
  ~Nvml() { shutdown_(); }
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  int (*deviceCount)(unsigned* count);
  int (*device)(unsigned index, Device*);
  int (*deviceAt)(const char* pciBusId, Device*);  // null where it is missing
  int (*name)(Device, char* text, unsigned length);
  int (*memory)(Device, Memory*);
  int (*utilisation)(Device, Utilisation*);
  int (*temperature)(Device, int sensor, unsigned* celsius);
  int (*power)(Device, unsigned* milliwatts);
  int (*processes)(Device, unsigned* count, Process*);

 private:
  template <class Function>
  void load(Function& function, const char* symbol) {
    function = library_.find<Function>(symbol);
    if (function == nullptr) throw std::runtime_error(std::string("NVML lacks ") + symbol);
  }

  DynamicLibrary library_;
  int (*initialise_)();
  int (*shutdown_)();
};

std::optional<std::uint64_t> bytesOfThisProcess(const Nvml& nvml, Device device) {
  unsigned count = 256;
  std::vector<Process> processes(count);
  if (nvml.processes(device, &count, processes.data()) != success) return std::nullopt;
  const auto pid = static_cast<unsigned>(INHOUSE_PROCESS_ID());
  std::uint64_t bytes = 0;
  for (unsigned i = 0; i < count && i < processes.size(); i++) {
    if (processes[i].pid != pid) continue;
    if (processes[i].usedBytes == notAvailable) return std::nullopt;
    bytes += processes[i].usedBytes;
  }
  return bytes;
}

std::optional<Gpu> readGpu(const Nvml& nvml, unsigned index) {
  Device device = nullptr;
  Memory memory{};
  if (nvml.device(index, &device) != success || nvml.memory(device, &memory) != success) return std::nullopt;
  Gpu gpu{};
  gpu.totalBytes = memory.total;
  gpu.usedBytes = memory.used;
  gpu.freeBytes = memory.free;

  char name[96] = "";
  gpu.name = nvml.name(device, name, sizeof name) == success ? name : "NVIDIA GPU";
  gpu.processBytes = bytesOfThisProcess(nvml, device);
  Utilisation utilisation{};
  if (nvml.utilisation(device, &utilisation) == success) gpu.utilisationPercent = utilisation.gpu;
  unsigned value = 0;
  if (nvml.temperature(device, sensorGpu, &value) == success) gpu.temperatureCelsius = value;
  if (nvml.power(device, &value) == success) gpu.powerMilliwatts = value;
  return gpu;
}

std::string systemLibrary() {
#ifdef _WIN32
  return "nvml.dll";
#else
  return "libnvidia-ml.so.1";
#endif
}

}  // namespace

std::vector<Gpu> readGpus(const std::string& path) {
  std::vector<Gpu> gpus;
  try {
    const Nvml nvml(path.empty() ? systemLibrary() : path);
    unsigned count = 0;
    if (nvml.deviceCount(&count) != success) return gpus;
    for (unsigned index = 0; index < count; index++)
      if (auto gpu = readGpu(nvml, index)) gpus.push_back(std::move(*gpu));
  } catch (const std::runtime_error&) {
    // A machine without an NVIDIA driver has no GPUs for us.
  }
  return gpus;
}

std::optional<std::uint64_t> gpuBytesOfThisProcess(const std::string& pciBusId) {
  try {
    const Nvml nvml(systemLibrary());
    Device device = nullptr;
    if (nvml.deviceAt == nullptr || nvml.deviceAt(pciBusId.c_str(), &device) != success) return std::nullopt;
    return bytesOfThisProcess(nvml, device);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

}  // namespace inhouse
