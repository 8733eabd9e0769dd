// Memory of the process and of GPUs as JavaScript's objects.
#include "memory_functions.h"

#include <functional>
#include <utility>

#include "../device/copy_bandwidth.h"
#include "../memory/gpus.h"
#include "../memory/process_memory.h"
#include "../memory/read_bandwidth.h"

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

/** Does what takes its time on a thread of Node's pool; its result is made into a value on JavaScript's thread. */
class Task : public Napi::AsyncWorker {
 public:
  using Result = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<Result()>;

  static Napi::Promise run(Napi::Env env, Work work) {
    auto* task = new Task(env, std::move(work));  // deletes itself when it is done
    const Napi::Promise promise = task->deferred_.Promise();
    task->Queue();
    return promise;
  }

  void Execute() override { result_ = work_(); }
  void OnOK() override { deferred_.Resolve(result_(Env())); }
  void OnError(const Napi::Error& error) override { deferred_.Reject(error.Value()); }

 private:
  Task(Napi::Env env, Work work)
      : Napi::AsyncWorker(env), deferred_(Napi::Promise::Deferred::New(env)), work_(std::move(work)) {}

  Napi::Promise::Deferred deferred_;
  Work work_;
  Result result_;
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
  return Task::run(info.Env(), [library = info[0].As<Napi::String>().Utf8Value()]() -> Task::Result {
    return [gpus = readGpus(library)](Napi::Env env) {
      auto list = Napi::Array::New(env, gpus.size());
      for (std::size_t i = 0; i < gpus.size(); i++) list[static_cast<std::uint32_t>(i)] = fromGpu(env, gpus[i]);
      return list;
    };
  });
}

Napi::Value readBandwidth(const Napi::CallbackInfo& info) {
  return Task::run(info.Env(), [threads = info[0].As<Napi::Number>().Int32Value()]() -> Task::Result {
    const double bytesPerSecond = measureReadBandwidth(threads);
    return [bytesPerSecond](Napi::Env env) { return Napi::Number::New(env, bytesPerSecond); };
  });
}

Napi::Value deviceCopyBandwidth(const Napi::CallbackInfo& info) {
  const int deviceId = info[0].As<Napi::Number>();
  const auto bytes = static_cast<std::size_t>(info[1].As<Napi::Number>().Int64Value());
  const int repetitions = info[2].As<Napi::Number>();
  return Task::run(info.Env(), [deviceId, bytes, repetitions]() -> Task::Result {
    const double bytesPerSecond = measureCopyBandwidth(deviceId, bytes, repetitions);
    return [bytesPerSecond](Napi::Env env) { return Napi::Number::New(env, bytesPerSecond); };
  });
}

}  // namespace inhouse
