// Calls from JavaScript, computed in order on a thread of the queue's own and answered through promises.
//
// JavaScript's values are only touched on its own thread: arguments are read before a call is queued, and results are
// made when the thread-safe function brings the finished calls back. A call that is not answered yet keeps its owner
// and the event loop alive. When the environment goes away first, the call in progress is cut short and no call is
// answered.
#pragma once

#include <napi.h>

#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <vector>

#include "../failure.h"
#include "worker_thread.h"

namespace inhouse {

class CallQueue {
 public:
  /** Makes the JavaScript value of a finished call, on JavaScript's thread. */
  using Result = std::function<Napi::Value(Napi::Env)>;
  /** Runs on the queue's thread. May throw. */
  using Work = std::function<Result()>;
  /**
   * Called on JavaScript's thread when the environment goes away: `interrupt` before the wait for the call in progress
   * (it should make that end soon), `release` after it.
   */
  struct Teardown {
    std::function<void()> interrupt;
    std::function<void()> release;
  };

  CallQueue(Napi::Env env, Teardown teardown);
  ~CallQueue() { close(); }
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  /** `owner` is kept until the call is answered. */
  Napi::Promise submit(Napi::Env env, Work work, Napi::Object owner);

  /** Ends the thread after the call in progress. Calls that are not answered yet never will be. */
  void close();

  /** As `close`, for an environment that is going away: cuts the call in progress short. */
  void halt();

 private:
  struct Call {
    Napi::Promise::Deferred deferred;
    Work work;
    Napi::ObjectReference owner;
    Result result;
    std::optional<Failure> failure;
  };
  using Calls = std::list<Call>;

  static void settleCalls(Napi::Env env, Napi::Function, CallQueue* queue, void*);
  static void onTeardown(void* queue) { static_cast<CallQueue*>(queue)->halt(); }
  static void answer(Napi::Env env, const Call& call);
  void compute(Calls::iterator call);
  void settle(Napi::Env env);

  using Signal = Napi::TypedThreadSafeFunction<CallQueue, void, settleCalls>;

  Napi::Env env_;
  Teardown teardown_;
  WorkerThread thread_;  // before the signal, which holds the process: the system may refuse a thread
  Signal signal_;
  bool open_ = true;
  Calls waiting_;  // touched on JavaScript's thread only, apart from the call that is being computed
  std::mutex mutex_;
  std::vector<Calls::iterator> finished_;  // guarded by mutex_
};

}  // namespace inhouse
