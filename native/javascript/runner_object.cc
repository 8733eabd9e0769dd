// The methods of a runner object: read the arguments, queue the work, make the result.
#include "runner_object.h"

#include <utility>

#include "../failure.h"
#include "../step/numbers.h"
#include "values.h"

namespace inhouse {
namespace {

CallQueue::Result undefinedResult() {
  return [](Napi::Env env) { return env.Undefined(); };
}

/** Keeps memory of JavaScript while work writes to it. The call that holds it goes on JavaScript's thread. */
std::shared_ptr<Napi::ObjectReference> keep(const Napi::Object& object) {
  return std::make_shared<Napi::ObjectReference>(Napi::Persistent(object));
}

CallQueue::Result keptResult(const std::shared_ptr<Napi::ObjectReference>& kept) {
  return [kept](Napi::Env) { return kept->Value(); };
}

double number(const Napi::CallbackInfo& info, std::size_t index) {
  return info[index].As<Napi::Number>().DoubleValue();
}

/** Runs what reads the arguments and queues a call; a Failure in it becomes a rejected promise. */
template <class Start>
Napi::Value orRejected(Napi::Env env, Start start) {
  try {
    return start();
  } catch (const Failure& failure) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(fromFailure(env, failure));
    return deferred.Promise();
  }
}

}  // namespace

Napi::Function RunnerObject::define(Napi::Env env) {
  return DefineClass(env, "Runner",
                     {InstanceMethod<&RunnerObject::load>("load"),
                      InstanceMethod<&RunnerObject::openRow>("openRow"),
                      InstanceMethod<&RunnerObject::prefill>("prefill"),
                      InstanceMethod<&RunnerObject::decode>("decode"),
                      InstanceMethod<&RunnerObject::moveRow>("moveRow"),
                      InstanceMethod<&RunnerObject::copyPrefix>("copyPrefix"),
                      InstanceMethod<&RunnerObject::truncateRow>("truncateRow"),
                      InstanceMethod<&RunnerObject::closeRow>("closeRow"),
                      InstanceMethod<&RunnerObject::score>("score"),
                      InstanceMethod<&RunnerObject::embed>("embed"),
                      InstanceMethod<&RunnerObject::statistics>("statistics"),
                      InstanceMethod<&RunnerObject::allocatorStatistics>("allocatorStatistics"),
                      InstanceMethod<&RunnerObject::dispose>("dispose")});
}

RunnerObject::RunnerObject(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<RunnerObject>(info),
      options_(toRunnerOptions(info[0])),
      queue_(info.Env(), {[this] { interrupt(); }, [this] { takeRunner(); }}) {}

Napi::Value RunnerObject::load(const Napi::CallbackInfo& info) {
  return submit(info.Env(), [this]() -> Result {
    auto runner = Runner::open(options_);
    const std::string version = runner->session().runtimeVersion();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      runner_ = std::move(runner);
    }
    return [version](Napi::Env env) { return Napi::String::New(env, version); };
  });
}

Napi::Value RunnerObject::openRow(const Napi::CallbackInfo& info) {
  return orRejected(info.Env(), [&] {
    const double row = number(info, 0);
    return call(info.Env(), [row, options = toRowOptions(info[1], options_.shape.vocabularySize)](Runner& runner) {
      runner.rows().open(row, options);
      return undefinedResult();
    });
  });
}

Napi::Value RunnerObject::prefill(const Napi::CallbackInfo& info) {
  return orRejected(info.Env(), [&] {
    const double row = number(info, 0);
    const bool sample = info[2].As<Napi::Boolean>();
    const Tokens tokens = toTokens(info[1], options_.shape.vocabularySize);
    return call(info.Env(), [row, tokens, sample](Runner& runner) -> Result {
      return [choice = runner.rows().prefill(row, tokens, sample)](Napi::Env env) {
        return choice ? fromChoice(env, *choice) : env.Undefined();
      };
    });
  });
}

Napi::Value RunnerObject::decode(const Napi::CallbackInfo& info) {
  return call(info.Env(), [rows = number(info, 0), steps = number(info, 1)](Runner& runner) -> Result {
    return [choices = runner.rows().decode(rows, steps)](Napi::Env env) { return fromChoices(env, choices); };
  });
}

Napi::Value RunnerObject::moveRow(const Napi::CallbackInfo& info) {
  return call(info.Env(), [from = number(info, 0), to = number(info, 1)](Runner& runner) {
    runner.rows().move(from, to);
    return undefinedResult();
  });
}

Napi::Value RunnerObject::copyPrefix(const Napi::CallbackInfo& info) {
  return call(info.Env(), [from = number(info, 0), to = number(info, 1), length = number(info, 2)](Runner& runner) {
    runner.rows().copyPrefix(from, to, length);
    return undefinedResult();
  });
}

Napi::Value RunnerObject::truncateRow(const Napi::CallbackInfo& info) {
  return call(info.Env(), [row = number(info, 0), length = number(info, 1)](Runner& runner) {
    runner.rows().truncate(row, length);
    return undefinedResult();
  });
}

Napi::Value RunnerObject::closeRow(const Napi::CallbackInfo& info) {
  return call(info.Env(), [row = number(info, 0)](Runner& runner) {
    runner.rows().close(row);
    return undefinedResult();
  });
}

Napi::Value RunnerObject::score(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return orRejected(env, [&] {
    const Tokens tokens = toTokens(info[0], options_.shape.vocabularySize);
    checkLength(tokens, 2);
    const double wantedFrom = number(info, 1);
    if (!isInteger(wantedFrom, 1, static_cast<double>(tokens.size() - 1))) {
      throw rowFailure("score can start at positions 1 to " + std::to_string(tokens.size() - 1) + ", not " +
                       text(wantedFrom) + ".");
    }
    const auto from = static_cast<std::size_t>(wantedFrom);
    const std::size_t wanted = tokens.size() - from;

    // The work writes straight into JavaScript's memory: with logits the result can be hundreds of megabytes.
    auto logprobs = Napi::Float64Array::New(env, wanted);
    auto argmax = Napi::Int32Array::New(env, wanted);
    auto result = Napi::Object::New(env);
    result["logprobs"] = logprobs;
    result["argmax"] = argmax;
    ScoreOutput output{logprobs.Data(), argmax.Data(), nullptr};
    if (info[2].As<Napi::Boolean>()) {
      auto logits = Napi::Float32Array::New(env, wanted * options_.shape.vocabularySize);
      result["logits"] = logits;
      output.logits = logits.Data();
    }
    return call(env, [tokens, from, output, kept = keep(result)](Runner& runner) {
      runner.pass().score(tokens, from, output);
      return keptResult(kept);
    });
  });
}

Napi::Value RunnerObject::embed(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  return orRejected(env, [&] {
    const Tokens tokens = toTokens(info[0], options_.shape.vocabularySize);
    checkLength(tokens, 1);
    const bool mean = info[1].As<Napi::Boolean>();
    auto result = Napi::Float32Array::New(env, options_.shape.width);
    return call(env, [tokens, mean, output = result.Data(), kept = keep(result)](Runner& runner) {
      runner.pass().embed(tokens, mean, output);
      return keptResult(kept);
    });
  });
}

Napi::Value RunnerObject::statistics(const Napi::CallbackInfo& info) {
  return call(info.Env(), [](Runner& runner) -> Result {
    return [statistics = runner.rows().statistics(), device = runner.deviceStatistics()](Napi::Env env) {
      return fromStatistics(env, statistics, device);
    };
  });
}

Napi::Value RunnerObject::allocatorStatistics(const Napi::CallbackInfo& info) {
  return call(info.Env(), [](Runner& runner) -> Result {
    return [statistics = runner.session().allocatorStatistics()](Napi::Env env) {
      return fromAllocatorStatistics(env, statistics);
    };
  });
}

Napi::Value RunnerObject::dispose(const Napi::CallbackInfo& info) {
  auto promise = submit(info.Env(), [this]() -> Result {
    takeRunner();
    return [this](Napi::Env env) {
      queue_.close();
      return env.Undefined();
    };
  });
  disposed_ = true;
  return promise;
}

Napi::Value RunnerObject::call(Napi::Env env, std::function<Result(Runner&)> work) {
  return submit(env, [this, work = std::move(work)] {
    if (!runner_) throw Failure(code::disposed, "The native runner holds no model: it failed to load one.");
    return work(*runner_);
  });
}

Napi::Value RunnerObject::submit(Napi::Env env, CallQueue::Work work) {
  return orRejected(env, [&]() -> Napi::Value {
    if (disposed_) throw Failure(code::disposed, "The native runner was disposed.");
    return queue_.submit(env, std::move(work), Value());
  });
}

void RunnerObject::checkLength(const Tokens& tokens, std::size_t least) const {
  const std::size_t most = options_.shape.contextLength;
  if (tokens.size() >= least && tokens.size() <= most) return;
  throw rowFailure("Expected " + std::to_string(least) + " to " + std::to_string(most) + " tokens, got " +
                   std::to_string(tokens.size()) + ".");
}

void RunnerObject::interrupt() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (runner_) runner_->terminate();
}

std::unique_ptr<Runner> RunnerObject::takeRunner() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::move(runner_);
}

}  // namespace inhouse
