// Stops all threads of an environment when its process exits.
#include "open_queues.h"

#include "call_queue.h"

namespace inhouse {

void OpenQueues::install(Napi::Env env) {
  env.SetInstanceData(new OpenQueues);  // the environment deletes it
  auto process = env.Global().Get("process").As<Napi::Object>();
  auto once = process.Get("once").As<Napi::Function>();
  once.Call(process, {Napi::String::New(env, "exit"), Napi::Function::New<haltAll>(env)});
}

void OpenQueues::haltAll(const Napi::CallbackInfo& info) {
  const auto queues = of(info.Env()).queues_;  // a copy: halting removes them
  for (CallQueue* queue : queues) queue->halt();
}

}  // namespace inhouse
