// Session options, tensors and runs, through ONNX Runtime's C functions.
#include "session.h"

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

void appendExecutionProvider(const Api& api, OrtSessionOptions* session, const SessionOptions& options) {
  std::vector<const char*> keys;
  std::vector<const char*> values;
  for (const auto& [key, value] : options.executionProviderOptions) {
    keys.push_back(key.c_str());
    values.push_back(value.c_str());
  }
  api.check(api.SessionOptionsAppendExecutionProvider(session, options.executionProvider.c_str(), keys.data(),
                                                      values.data(), keys.size()));
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

Session::Session(const SessionOptions& options) : api_(options.libraryFile) {
  try {
    environment_ = create(api_, api_.ReleaseEnv, api_.CreateEnv, ort::logError, "inhouse");
    cpu_ = create(api_, api_.ReleaseMemoryInfo, api_.CreateCpuMemoryInfo, ort::allocatorArena, ort::memoryDefault);
    runOptions_ = create(api_, api_.ReleaseRunOptions, api_.CreateRunOptions);
    operators_ = makeOperators(api_, options.threads, options.ownProducts);
    domain_ = create(api_, api_.ReleaseCustomOpDomain, api_.CreateCustomOpDomain, operatorDomain);
    for (const auto& op : operators_) api_.check(api_.CustomOpDomain_Add(domain_.get(), op.get()));
    const auto sessionOptions = describe(api_, options);
    api_.check(api_.AddCustomOpDomain(sessionOptions.get(), domain_.get()));
    const auto& graphFile = nativePath(options.graphFile);
    const OrtEnv* environment = environment_.get();
    const OrtSessionOptions* described = sessionOptions.get();
    session_ = create(api_, api_.ReleaseSession, api_.CreateSession, environment, graphFile.c_str(), described);
  } catch (const OrtError& error) {
    throw Failure::fromOrt(code::runtimeLoad,
                           "ONNX Runtime could not load " + options.graphFile + ": " + error.what(), error.code());
  }
}

Handle<OrtValue> Session::tensor(float* data, const std::vector<std::int64_t>& shape) const {
  return tensor(data, sizeof *data, shape, ort::elementFloat);
}

Handle<OrtValue> Session::tensor(std::int32_t* data, const std::vector<std::int64_t>& shape) const {
  return tensor(data, sizeof *data, shape, ort::elementInt32);
}

Handle<OrtValue> Session::tensor(std::int64_t* data, const std::vector<std::int64_t>& shape) const {
  return tensor(data, sizeof *data, shape, ort::elementInt64);
}

Handle<OrtValue> Session::tensor(void* data, std::size_t elementSize, const std::vector<std::int64_t>& shape,
                                 int type) const {
  std::size_t bytes = elementSize;
  for (const std::int64_t size : shape) bytes *= static_cast<std::size_t>(size);
  const OrtMemoryInfo* cpu = cpu_.get();
  return create(api_, api_.ReleaseValue, api_.CreateTensorWithDataAsOrtValue, cpu, data, bytes, shape.data(),
                shape.size(), type);
}

void Session::run(Binding& binding) {
  OrtStatus* status = api_.Run(session_.get(), runOptions_.get(), binding.inputNames.data(), binding.inputs.data(),
                               binding.inputs.size(), binding.outputNames.data(), binding.outputs.size(),
                               binding.outputs.data());
  try {
    api_.check(status);
  } catch (const OrtError& error) {
    throw Failure::fromOrt(code::runtimeStep, std::string("ONNX Runtime failed in a step: ") + error.what(),
                           error.code());
  }
}

void Session::terminate() {
  if (OrtStatus* status = api_.RunOptionsSetTerminate(runOptions_.get())) api_.ReleaseStatus(status);
}

std::map<std::string, std::string> Session::allocatorStatistics() const {
  const OrtSession* session = session_.get();
  const OrtMemoryInfo* cpu = cpu_.get();
  const auto allocator = create(api_, api_.ReleaseAllocator, api_.CreateAllocator, session, cpu);
  const OrtAllocator* source = allocator.get();
  const auto pairs = create(api_, api_.ReleaseKeyValuePairs, api_.AllocatorGetStats, source);

  const char* const* keys = nullptr;
  const char* const* values = nullptr;
  std::size_t count = 0;
  api_.GetKeyValuePairs(pairs.get(), &keys, &values, &count);
  std::map<std::string, std::string> statistics;
  for (std::size_t i = 0; i < count; i++) statistics.emplace(keys[i], values[i]);
  return statistics;
}

}  // namespace inhouse
