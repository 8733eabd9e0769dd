// Memory of the process and of GPUs as JavaScript's objects.
#include "memory_functions.h"

#include "../memory/gpus.h"
#include "../memory/process_memory.h"

namespace inhouse {
namespace {

template <class Number>
void setIfKnown(Napi::Object& object, const char* key, const std::optional<Number>& value) {
  if (value) object[key] = static_cast<double>(*value);
}

Napi::Object fromGpu(Napi::Env env, const Gpu& gpu) {
  auto object = Napi::Object::New(env);
  object["name"] = gpu.name;
  object["totalBytes"] = static_cast<double>(gpu.totalBytes);
  object["usedBytes"] = static_cast<double>(gpu.usedBytes);
  object["freeBytes"] = static_cast<double>(gpu.freeBytes);
  setIfKnown(object, "processBytes", gpu.processBytes);
  setIfKnown(object, "utilisationPercent", gpu.utilisationPercent);
  setIfKnown(object, "temperatureCelsius", gpu.temperatureCelsius);
  setIfKnown(object, "powerMilliwatts", gpu.powerMilliwatts);
  return object;
}

/** Asks the driver, which can take its time, on a thread of Node's pool. */
class GpuReader : public Napi::AsyncWorker {
 public:
  GpuReader(Napi::Env env, std::string library)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), library_(std::move(library)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

  void Execute() override { gpus_ = readGpus(library_); }

  void OnOK() override {
    auto list = Napi::Array::New(Env(), gpus_.size());
    for (std::size_t i = 0; i < gpus_.size(); i++) list[static_cast<std::uint32_t>(i)] = fromGpu(Env(), gpus_[i]);
    deferred_.Resolve(list);
  }

  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Napi::Promise::Deferred deferred_;
  std::string library_;
  std::vector<Gpu> gpus_;
};

}  // namespace

Napi::Value processMemory(const Napi::CallbackInfo& info) {
  const ProcessMemory memory = readProcessMemory();
  auto object = Napi::Object::New(info.Env());
  object["residentBytes"] = static_cast<double>(memory.residentBytes);
  object["peakBytes"] = static_cast<double>(memory.peakBytes);
  setIfKnown(object, "privateBytes", memory.privateBytes);
  setIfKnown(object, "mappedBytes", memory.mappedBytes);
  return object;
}

Napi::Value cgroupMemoryLimit(const Napi::CallbackInfo& info) {
  const auto limit = readCgroupMemoryLimit(info[0].As<Napi::String>());
  return limit ? Napi::Number::New(info.Env(), static_cast<double>(*limit)) : info.Env().Undefined();
}

Napi::Value gpus(const Napi::CallbackInfo& info) {
  auto* reader = new GpuReader(info.Env(), info[0].As<Napi::String>());  // deletes itself when it is done
  const Napi::Promise promise = reader->promise();
  reader->Queue();
  return promise;
}

}  // namespace inhouse
