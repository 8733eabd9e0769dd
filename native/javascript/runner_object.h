// A Runner as JavaScript sees it: methods that check their arguments and return promises. src/runtime/native/addon.ts
// says what each takes and gives.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>

#include "../runner.h"
#include "call_queue.h"

namespace inhouse {

class RunnerObject : public Napi::ObjectWrap<RunnerObject> {
 public:
  static Napi::Function define(Napi::Env env);

  /** Loads nothing yet: that is the first call's business. */
  explicit RunnerObject(const Napi::CallbackInfo& info);

 private:
  using Result = CallQueue::Result;

  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value openRow(const Napi::CallbackInfo& info);
  Napi::Value prefill(const Napi::CallbackInfo& info);
  Napi::Value decode(const Napi::CallbackInfo& info);
  Napi::Value moveRow(const Napi::CallbackInfo& info);
  Napi::Value copyPrefix(const Napi::CallbackInfo& info);
  Napi::Value truncateRow(const Napi::CallbackInfo& info);
  Napi::Value closeRow(const Napi::CallbackInfo& info);
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value embed(const Napi::CallbackInfo& info);
  Napi::Value statistics(const Napi::CallbackInfo& info);
  Napi::Value allocatorStatistics(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  /** Queues work on the loaded runner. */
  Napi::Value call(Napi::Env env, std::function<Result(Runner&)> work);
  Napi::Value submit(Napi::Env env, CallQueue::Work work);
  void checkLength(const Tokens& tokens, std::size_t least) const;
  void interrupt();
  std::unique_ptr<Runner> takeRunner();

  RunnerOptions options_;
  bool disposed_ = false;
  std::mutex mutex_;
  std::unique_ptr<Runner> runner_;  // replaced under mutex_; used on the queue's thread
  CallQueue queue_;                 // last: its thread ends before the rest goes
};

}  // namespace inhouse
