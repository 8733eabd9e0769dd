// The call queues of one environment that compute on threads, so that process.exit() can stop them.
//
// Node.js runs no cleanup hooks on process.exit(): it goes straight to the destructors of all libraries, ONNX Runtime's
// among them, and a thread that is in the middle of a step then crashes. The 'exit' event comes before that.
#pragma once

#include <napi.h>

#include <unordered_set>

namespace inhouse {

class CallQueue;

class OpenQueues {
 public:
  /** Once per environment, when the addon is loaded. */
  static void install(Napi::Env env);
  static OpenQueues& of(Napi::Env env) { return *env.GetInstanceData<OpenQueues>(); }

  void add(CallQueue* queue) { queues_.insert(queue); }
  void remove(CallQueue* queue) { queues_.erase(queue); }

 private:
  static void haltAll(const Napi::CallbackInfo& info);

  std::unordered_set<CallQueue*> queues_;
};

}  // namespace inhouse
