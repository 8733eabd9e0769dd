// How calls are queued, computed and answered, and how the queue ends.
#include "call_queue.h"

#include "open_queues.h"
#include "values.h"

namespace inhouse {

CallQueue::CallQueue(Napi::Env env, Teardown teardown)
    : env_(env), teardown_(std::move(teardown)), signal_(Signal::New(env, "inhouse", 0, 1, this)) {
  signal_.Unref(env);
  // Hooks run in reverse order: this one stops the thread before the signal's own closes the signal.
  napi_add_env_cleanup_hook(env, onTeardown, this);
  OpenQueues::of(env).add(this);
}

Napi::Promise CallQueue::submit(Napi::Env env, Work work, Napi::Object owner) {
  const auto deferred = Napi::Promise::Deferred::New(env);
  if (waiting_.empty()) signal_.Ref(env);
  waiting_.push_back({deferred, std::move(work), Napi::Persistent(owner), nullptr, std::nullopt});
  const auto call = std::prev(waiting_.end());
  thread_.post([this, call] { compute(call); });
  return deferred.Promise();
}

void CallQueue::close() {
  if (!open_) return;
  open_ = false;
  thread_.stop();
  OpenQueues::of(env_).remove(this);
  napi_remove_env_cleanup_hook(env_, onTeardown, this);
  signal_.Release();
}

void CallQueue::halt() {
  if (!open_) return;
  open_ = false;
  teardown_.interrupt();
  thread_.stop();
  teardown_.release();
  waiting_.clear();
  finished_.clear();
  OpenQueues::of(env_).remove(this);
  // The signal goes with the environment.
}

void CallQueue::compute(Calls::iterator call) {
  try {
    call->result = call->work();
  } catch (const Failure& failure) {
    call->failure = failure;
  } catch (const std::exception& error) {  // such as std::bad_alloc
    call->failure = Failure(code::runtimeStep, std::string("The native runner failed: ") + error.what());
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    finished_.push_back(call);
  }
  signal_.NonBlockingCall();
}

void CallQueue::answer(Napi::Env env, const Call& call) {
  try {
    try {
      if (call.failure) call.deferred.Reject(fromFailure(env, *call.failure));
      else call.deferred.Resolve(call.result(env));
    } catch (const Napi::Error& error) {  // such as no memory for the result
      call.deferred.Reject(error.Value());
    }
  } catch (const Napi::Error&) {
    // The thread is being terminated: JavaScript cannot run any more, and nobody waits for the answer.
  }
}

void CallQueue::settleCalls(Napi::Env env, Napi::Function, CallQueue* queue, void*) {
  if (env != nullptr) queue->settle(env);  // null: the environment is going away
}

void CallQueue::settle(Napi::Env env) {
  std::vector<Calls::iterator> finished;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    finished.swap(finished_);
  }
  for (const auto call : finished) {
    answer(env, *call);
    waiting_.erase(call);
  }
  if (waiting_.empty() && open_) signal_.Unref(env);
}

}  // namespace inhouse
