// One loaded model in ONNX Runtime: opening it, making tensors over memory of the process or of a device, running it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "custom_op.h"

namespace inhouse {

struct SessionOptions {
  std::string libraryFile;
  std::string graphFile;
  std::string weightsFolder;
  /** Threads that compute one step, the calling thread included. */
  int threads = 1;
  /** Threads that wait for work in a busy loop while a step runs: faster steps, more processor time. */
  bool spinning = true;
  /** Quantized products by kernels of our own, where there are any for this processor. */
  bool ownProducts = true;
  /** GraphOptimizationLevel: 0 none, 1 basic, 2 extended, 99 all. */
  int optimizationLevel = 99;
  /** ONNX Runtime writes a profile to <prefix>_<time>.json when the session ends; empty for none. */
  std::string profilePrefix;
  /** Such as "XNNPACK"; empty for the CPU's own kernels, or those of the device. */
  std::string executionProvider;
  /** Of the provider, or of CUDA's where that is the device. */
  std::map<std::string, std::string> executionProviderOptions;
  /** "cuda"; "cpu-as-device" for the CPU in the place of a device; empty for the CPU. */
  std::string device;
  int deviceId = 0;
  /** The provider options ask for CUDA graphs. */
  bool cudaGraphs = false;
};

enum class ElementType {
  float32 = ort::elementFloat,
  float16 = ort::elementFloat16,
  int32 = ort::elementInt32,
  int64 = ort::elementInt64,
};

/** The named tensors of one kind of run. The names and the memory outlive it; the tensors are its own or a caller's. */
struct Binding {
  std::vector<const char*> inputNames;
  std::vector<const OrtValue*> inputs;
  std::vector<const char*> outputNames;
  std::vector<OrtValue*> outputs;

  void input(const char* name, const OrtValue* value);
  void output(const char* name, OrtValue* value);
};

class Session;

/** Frees a block of a session's device allocator. */
struct DeviceRelease {
  const Session* session = nullptr;
  void operator()(std::byte* block) const;
};

/** Memory of the device that a session computes on. The session outlives it. */
using DeviceBlock = std::unique_ptr<std::byte, DeviceRelease>;

class Session {
 public:
  /** The `cudaGraph` of a run that is not to be captured or replayed. */
  static constexpr int noGraph = -1;

  /** Throws a Failure (INHOUSE_RUNTIME_LOAD) with ONNX Runtime's message. */
  explicit Session(const SessionOptions& options);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const std::string& runtimeVersion() const { return api_.version(); }

  /** A tensor over memory of the process that the caller keeps. */
  Handle<OrtValue> tensor(void* data, ElementType type, const std::vector<std::int64_t>& shape) const;
  /** A tensor over memory of the device, which without one is the process's. */
  Handle<OrtValue> deviceTensor(void* data, ElementType type, const std::vector<std::int64_t>& shape) const;

  /** Throws a Failure (INHOUSE_RUNTIME_STEP) when the device, or the limit set for it, has no such room. */
  DeviceBlock allocate(std::size_t bytes) const;

  /** After the next run the allocator gives back to the device what nothing uses. */
  void returnUnusedMemory() { returnsMemory_ = true; }

  /** CUDA graphs are to be had. */
  bool capturesGraphs() const { return options_.cudaGraphs && graphFailure_.empty(); }
  /** "on", "off" or "failed: why". */
  std::string graphState() const;
  bool hasCapturedGraphs() const { return !captured_.empty(); }
  /** No run is captured or replayed from now on. */
  void giveUpGraphs(const std::string& why) { graphFailure_ = why; }

  /**
   * With `cudaGraph`, captures the run as the CUDA graph of that number, or replays it: bindings that are run under
   * one number must be the same, at the same addresses.
   * Throws a Failure (INHOUSE_RUNTIME_STEP) with ONNX Runtime's message.
   */
  void run(Binding& binding, int cudaGraph = noGraph);

  /** From any thread: makes the run in progress, and every later one, fail soon. */
  void terminate();

  /**
   * Leaves what ONNX Runtime holds to the end of the process. For a device that is lost while there are captured
   * graphs: the CUDA provider throws in a destructor when it cannot release them, which would end the process now.
   */
  void abandon();

  /** Figures of ONNX Runtime's allocator under its own names, such as InUse and MaxInUse, in bytes. */
  std::map<std::string, std::string> allocatorStatistics() const;

 private:
  friend struct DeviceRelease;

  Handle<OrtSession> openWithOrWithoutGraphs();
  Handle<OrtSession> open() const;
  Handle<OrtValue> tensor(const OrtMemoryInfo* place, void* data, ElementType type,
                          const std::vector<std::int64_t>& shape) const;
  OrtRunOptions* runOptions(int cudaGraph, bool returnsMemory);
  OrtStatus* startRun(const OrtRunOptions* options, Binding& binding);
  bool onCuda() const { return options_.device == "cuda"; }
  std::shared_lock<std::shared_mutex> pastGate() const;
  void free(std::byte* block) const;

  SessionOptions options_;
  Api api_;
  // Released in reverse: the environment is shared by the process and must outlive the session.
  Handle<OrtEnv> environment_;
  Handle<OrtMemoryInfo> cpu_;
  std::vector<std::unique_ptr<CustomOp>> operators_;
  Handle<OrtCustomOpDomain> domain_;
  Handle<OrtMemoryInfo> place_;  // of tensors on the device
  Handle<OrtSession> session_;
  Handle<OrtAllocator> allocator_;
  bool returnsMemory_ = false;
  std::string graphFailure_;
  std::set<int> captured_;  // CUDA graphs

  std::mutex runOptionsMutex_;
  bool terminated_ = false;
  std::map<std::pair<int, bool>, Handle<OrtRunOptions>> runOptions_;  // by CUDA graph and whether memory is returned
};

}  // namespace inhouse
