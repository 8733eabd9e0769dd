// One loaded model in ONNX Runtime: opening it, making tensors over our own memory, and running it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
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
  /** Such as "XNNPACK"; empty for the CPU's own kernels. */
  std::string executionProvider;
  std::map<std::string, std::string> executionProviderOptions;
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

class Session {
 public:
  /** Throws a Failure (INHOUSE_RUNTIME_LOAD) with ONNX Runtime's message. */
  explicit Session(const SessionOptions& options);

  const std::string& runtimeVersion() const { return api_.version(); }

  /** A tensor over memory that the caller keeps. */
  Handle<OrtValue> tensor(float* data, const std::vector<std::int64_t>& shape) const;
  Handle<OrtValue> tensor(std::int32_t* data, const std::vector<std::int64_t>& shape) const;
  Handle<OrtValue> tensor(std::int64_t* data, const std::vector<std::int64_t>& shape) const;

  /** Throws a Failure (INHOUSE_RUNTIME_STEP) with ONNX Runtime's message. */
  void run(Binding& binding);

  /** From any thread: makes the run in progress, and every later one, fail soon. */
  void terminate();

  /** Figures of ONNX Runtime's CPU allocator under its own names, such as InUse and MaxInUse, in bytes. */
  std::map<std::string, std::string> allocatorStatistics() const;

 private:
  Handle<OrtValue> tensor(void* data, std::size_t elementSize, const std::vector<std::int64_t>& shape,
                          int type) const;

  Api api_;
  // Released in reverse: the environment is shared by the process and must outlive the session.
  Handle<OrtEnv> environment_;
  Handle<OrtMemoryInfo> cpu_;
  Handle<OrtRunOptions> runOptions_;
  std::vector<std::unique_ptr<CustomOp>> operators_;
  Handle<OrtCustomOpDomain> domain_;
  Handle<OrtSession> session_;
};

}  // namespace inhouse
