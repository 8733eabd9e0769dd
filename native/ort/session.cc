// Session options, tensors and runs, through ONNX Runtime's C functions.
#include "session.h"

#include "../device/capture_gate.h"
#include "../failure.h"
#include "../operators.h"
#include "../platform/wide_text.h"

namespace inhouse {
namespace {

#ifdef _WIN32
std::wstring nativePath(const std::string& path) { return wideText(path); }
#else
const std::string& nativePath(const std::string& path) { return path; }
#endif

/**
 * ONNX Runtime enters a domain of operators in a table of the process when it first meets it, and two sessions that do so
 * at the same time fail. So the first session is opened alone; once it stands, others are opened side by side.
 */
class FirstAlone {
 public:
  FirstAlone() : lock_(mutex()) {
    if (known()) lock_.unlock();
  }
  void done() {
    if (lock_) known() = true;
  }

 private:
  static std::mutex& mutex() {
    static std::mutex mutex;
    return mutex;
  }
  static bool& known() {
    static bool known = false;
    return known;
  }

  std::unique_lock<std::mutex> lock_;
};

std::size_t sizeOf(ElementType type) {
  switch (type) {
    case ElementType::float16:
      return 2;
    case ElementType::int64:
      return 8;
    default:
      return 4;
  }
}

/** Provider options as the C functions take them. They refer to the map. */
struct KeysAndValues {
  explicit KeysAndValues(const std::map<std::string, std::string>& options) {
    for (const auto& [key, value] : options) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
  }
  std::vector<const char*> keys, values;
};

void appendExecutionProvider(const Api& api, OrtSessionOptions* session, const SessionOptions& options) {
  const KeysAndValues settings(options.executionProviderOptions);
  api.check(api.SessionOptionsAppendExecutionProvider(session, options.executionProvider.c_str(), settings.keys.data(),
                                                      settings.values.data(), settings.keys.size()));
}

void appendCuda(const Api& api, OrtSessionOptions* session, const SessionOptions& options) {
  const KeysAndValues settings(options.executionProviderOptions);
  try {
    const auto cuda = create(api, api.ReleaseCUDAProviderOptions, api.CreateCUDAProviderOptions);
    api.check(api.UpdateCUDAProviderOptions(cuda.get(), settings.keys.data(), settings.values.data(),
                                            settings.keys.size()));
    api.check(api.SessionOptionsAppendExecutionProvider_CUDA_V2(session, cuda.get()));
  } catch (const OrtError& error) {
    throw Failure::fromOrt(code::runtimeLoad,
                           std::string("ONNX Runtime's CUDA provider is not usable: ") + error.what(), error.code());
  }
}

Handle<OrtSessionOptions> describe(const Api& api, const SessionOptions& options) {
  auto session = create(api, api.ReleaseSessionOptions, api.CreateSessionOptions);
  const auto set = [&](const char* key, const char* value) {
    api.check(api.AddSessionConfigEntry(session.get(), key, value));
  };
  api.check(api.SetSessionLogSeverityLevel(session.get(), ort::logError));
  api.check(api.SetSessionGraphOptimizationLevel(session.get(), options.optimizationLevel));
  api.check(api.SetIntraOpNumThreads(session.get(), options.threads));
  api.check(api.SetInterOpNumThreads(session.get(), 1));
  api.check(api.DisableMemPattern(session.get()));  // shapes change from step to step
  set("session.intra_op.allow_spinning", options.spinning ? "1" : "0");
  set("session.force_spinning_stop", "1");  // between steps the cores belong to the application
  set("session.model_external_initializers_file_folder_path", options.weightsFolder.c_str());
  if (!options.profilePrefix.empty())
    api.check(api.EnableProfiling(session.get(), nativePath(options.profilePrefix).c_str()));
  if (options.device == "cuda") appendCuda(api, session.get(), options);
  if (!options.executionProvider.empty()) appendExecutionProvider(api, session.get(), options);
  return session;
}

}  // namespace

void Binding::input(const char* name, const OrtValue* value) {
  inputNames.push_back(name);
  inputs.push_back(value);
}

void Binding::output(const char* name, OrtValue* value) {
  outputNames.push_back(name);
  outputs.push_back(value);
}

void DeviceRelease::operator()(std::byte* block) const { session->free(block); }

Session::Session(const SessionOptions& options) : options_(options), api_(options.libraryFile) {
  const auto gate = pastGate();
  try {
    environment_ = create(api_, api_.ReleaseEnv, api_.CreateEnv, ort::logError, "inhouse");
    cpu_ = create(api_, api_.ReleaseMemoryInfo, api_.CreateCpuMemoryInfo, ort::allocatorArena, ort::memoryDefault);
    operators_ = makeOperators(api_, options.threads, options.ownProducts);
    domain_ = create(api_, api_.ReleaseCustomOpDomain, api_.CreateCustomOpDomain, operatorDomain);
    for (const auto& op : operators_) api_.check(api_.CustomOpDomain_Add(domain_.get(), op.get()));
    place_ = create(api_, api_.ReleaseMemoryInfo, api_.CreateMemoryInfo, onCuda() ? "Cuda" : "Cpu", ort::allocatorArena,
                    options.deviceId, ort::memoryDefault);
    session_ = openWithOrWithoutGraphs();
    const OrtSession* session = session_.get();
    const OrtMemoryInfo* place = place_.get();
    allocator_ = create(api_, api_.ReleaseAllocator, api_.CreateAllocator, session, place);
  } catch (const OrtError& error) {
    throw Failure::fromOrt(code::runtimeLoad,
                           "ONNX Runtime could not load " + options.graphFile + ": " + error.what(), error.code());
  }
}

Session::~Session() {
  const auto gate = pastGate();
  allocator_.reset();
  session_.reset();
}

void Session::abandon() {
  (void)allocator_.release();
  (void)session_.release();
  (void)environment_.release();
}

Handle<OrtSession> Session::openWithOrWithoutGraphs() {
  if (!options_.cudaGraphs) return open();
  try {
    return open();
  } catch (const OrtError& error) {
    giveUpGraphs(error.what());
    options_.executionProviderOptions["enable_cuda_graph"] = "0";
    return open();  // says itself what is wrong if graphs are not
  }
}

Handle<OrtSession> Session::open() const {
  FirstAlone first;
  const auto described = describe(api_, options_);
  api_.check(api_.AddCustomOpDomain(described.get(), domain_.get()));
  const auto& graphFile = nativePath(options_.graphFile);
  const OrtEnv* environment = environment_.get();
  const OrtSessionOptions* sessionOptions = described.get();
  auto session = create(api_, api_.ReleaseSession, api_.CreateSession, environment, graphFile.c_str(), sessionOptions);
  first.done();
  return session;
}

Handle<OrtValue> Session::tensor(void* data, ElementType type, const std::vector<std::int64_t>& shape) const {
  return tensor(cpu_.get(), data, type, shape);
}

Handle<OrtValue> Session::deviceTensor(void* data, ElementType type, const std::vector<std::int64_t>& shape) const {
  return tensor(place_.get(), data, type, shape);
}

Handle<OrtValue> Session::tensor(const OrtMemoryInfo* place, void* data, ElementType type,
                                 const std::vector<std::int64_t>& shape) const {
  std::size_t bytes = sizeOf(type);
  for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  return create(api_, api_.ReleaseValue, api_.CreateTensorWithDataAsOrtValue, place, data, bytes, shape.data(),
                shape.size(), static_cast<int>(type));
}

DeviceBlock Session::allocate(std::size_t bytes) const {
  const auto gate = pastGate();
  void* block = nullptr;
  try {
    api_.check(api_.AllocatorAlloc(allocator_.get(), bytes, &block));
  } catch (const OrtError& error) {
    throw Failure::fromOrt(code::runtimeStep,
                           "Cannot get " + std::to_string(bytes) + " bytes of the device's memory: " + error.what(),
                           error.code());
  }
  return DeviceBlock(static_cast<std::byte*>(block), DeviceRelease{this});
}

void Session::free(std::byte* block) const {
  if (!allocator_) return;  // abandoned
  const auto gate = pastGate();
  if (OrtStatus* status = api_.AllocatorFree(allocator_.get(), block)) api_.ReleaseStatus(status);
}

std::string Session::graphState() const {
  if (!options_.cudaGraphs) return "off";
  return graphFailure_.empty() ? "on" : "failed: " + graphFailure_;
}

void Session::run(Binding& binding, int cudaGraph) {
  const OrtRunOptions* options = runOptions(cudaGraph, std::exchange(returnsMemory_, false));
  OrtStatus* status = nullptr;
  if (cudaGraph != noGraph && captured_.count(cudaGraph) == 0) {
    const std::unique_lock<std::shared_mutex> alone(captureGate());
    status = startRun(options, binding);
    if (status == nullptr) captured_.insert(cudaGraph);
  } else {
    const auto gate = pastGate();
    status = startRun(options, binding);
  }
  try {
    api_.check(status);
  } catch (const OrtError& error) {
    throw Failure::fromOrt(code::runtimeStep, std::string("ONNX Runtime failed in a step: ") + error.what(),
                           error.code());
  }
}

OrtStatus* Session::startRun(const OrtRunOptions* options, Binding& binding) {
  return api_.Run(session_.get(), options, binding.inputNames.data(), binding.inputs.data(), binding.inputs.size(),
                  binding.outputNames.data(), binding.outputs.size(), binding.outputs.data());
}

OrtRunOptions* Session::runOptions(int cudaGraph, bool returnsMemory) {
  const std::lock_guard<std::mutex> lock(runOptionsMutex_);
  auto& options = runOptions_[{cudaGraph, returnsMemory}];
  if (options) return options.get();
  options = create(api_, api_.ReleaseRunOptions, api_.CreateRunOptions);
  const auto set = [&](const char* key, const std::string& value) {
    api_.check(api_.AddRunConfigEntry(options.get(), key, value.c_str()));
  };
  if (options_.cudaGraphs) set("gpu_graph_id", std::to_string(cudaGraph));
  if (returnsMemory)
    set("memory.enable_memory_arena_shrinkage", (onCuda() ? "gpu:" : "cpu:") + std::to_string(options_.deviceId));
  if (terminated_) api_.check(api_.RunOptionsSetTerminate(options.get()));
  return options.get();
}

void Session::terminate() {
  const std::lock_guard<std::mutex> lock(runOptionsMutex_);
  terminated_ = true;
  for (const auto& [mode, options] : runOptions_)
    if (OrtStatus* status = api_.RunOptionsSetTerminate(options.get())) api_.ReleaseStatus(status);
}

std::map<std::string, std::string> Session::allocatorStatistics() const {
  const OrtAllocator* source = allocator_.get();
  const auto pairs = create(api_, api_.ReleaseKeyValuePairs, api_.AllocatorGetStats, source);

  const char* const* keys = nullptr;
  const char* const* values = nullptr;
  std::size_t count = 0;
  api_.GetKeyValuePairs(pairs.get(), &keys, &values, &count);
  std::map<std::string, std::string> statistics;
  for (std::size_t i = 0; i < count; i++) statistics.emplace(keys[i], values[i]);
  return statistics;
}

std::shared_lock<std::shared_mutex> Session::pastGate() const {
  return onCuda() ? std::shared_lock<std::shared_mutex>(captureGate()) : std::shared_lock<std::shared_mutex>();
}

}  // namespace inhouse
