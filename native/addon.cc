// The addon's surface: what Node.js gets when it loads inhouse.node. No policy, and no state beside the objects.
#include <napi.h>

#include "javascript/memory_functions.h"
#include "javascript/open_queues.h"
#include "javascript/runner_object.h"
#include "products/kernel.h"

namespace {

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  inhouse::OpenQueues::install(env);
  exports["Runner"] = inhouse::RunnerObject::define(env);
  exports["processMemory"] = Napi::Function::New<inhouse::processMemory>(env);
  exports["cgroupMemoryLimit"] = Napi::Function::New<inhouse::cgroupMemoryLimit>(env);
  exports["gpus"] = Napi::Function::New<inhouse::gpus>(env);
  exports["readBandwidth"] = Napi::Function::New<inhouse::readBandwidth>(env);
  exports["deviceCopyBandwidth"] = Napi::Function::New<inhouse::deviceCopyBandwidth>(env);
  if (const inhouse::ProductKernel* kernel = inhouse::productKernel())
    exports["productKernel"] = Napi::String::New(env, kernel->name);
  return exports;
}

}  // namespace

NODE_API_MODULE(inhouse, initialise)
