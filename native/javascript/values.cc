// Reading options, tokens and settings from JavaScript; making choices, statistics and failures for it.
#include "values.h"

#include "../step/numbers.h"

namespace inhouse {
namespace {

double number(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::Number>().DoubleValue();
}

std::size_t size(const Napi::Object& object, const char* key) {
  const double value = number(object, key);
  return value > 0 ? static_cast<std::size_t>(value) : 0;
}

std::string string(const Napi::Object& object, const char* key) {
  return object.Get(key).As<Napi::String>().Utf8Value();
}

std::vector<double> numbers(const Napi::Value& value) {
  const auto array = value.As<Napi::Float64Array>();
  return std::vector<double>(array.Data(), array.Data() + array.ElementLength());
}

std::map<std::string, std::string> strings(const Napi::Object& object) {
  std::map<std::string, std::string> result;
  const Napi::Array keys = object.GetPropertyNames();
  for (std::uint32_t i = 0; i < keys.Length(); i++) {
    const std::string key = keys.Get(i).As<Napi::String>();
    result.emplace(key, string(object, key.c_str()));
  }
  return result;
}

SamplingSettings toSamplingSettings(const Napi::Object& object, std::size_t vocabularySize) {
  SamplingSettings settings;
  settings.temperature = number(object, "temperature");
  settings.topK = size(object, "topK");
  settings.topP = number(object, "topP");
  settings.minP = number(object, "minP");
  settings.repetitionPenalty = number(object, "repetitionPenalty");
  settings.presencePenalty = number(object, "presencePenalty");
  settings.frequencyPenalty = number(object, "frequencyPenalty");
  settings.seed = static_cast<std::uint64_t>(number(object, "seed"));
  settings.stream = static_cast<std::uint32_t>(number(object, "stream"));
  settings.stopTokenIds = toTokens(object.Get("stopTokenIds"), vocabularySize);
  settings.minTokens = size(object, "minTokens");
  if (!object.Get("logprobs").IsUndefined()) settings.logprobs = size(object, "logprobs");

  const Tokens ids = toTokens(object.Get("biasIds"), vocabularySize);
  const std::vector<double> values = numbers(object.Get("biasValues"));
  for (std::size_t i = 0; i < ids.size() && i < values.size(); i++) settings.logitBias.emplace_back(ids[i], values[i]);
  return settings;
}

}  // namespace

RunnerOptions toRunnerOptions(const Napi::Value& value) {
  const auto object = value.As<Napi::Object>();
  RunnerOptions options;
  options.session.libraryFile = string(object, "libraryFile");
  options.session.graphFile = string(object, "graphFile");
  options.session.weightsFolder = string(object, "weightsFolder");
  options.session.threads = static_cast<int>(number(object, "threads"));
  options.session.ownProducts = object.Get("ownProducts").As<Napi::Boolean>();
  options.session.spinning = object.Get("spinning").As<Napi::Boolean>();
  options.session.optimizationLevel = static_cast<int>(number(object, "optimizationLevel"));
  options.session.profilePrefix = string(object, "profilePrefix");
  options.session.executionProvider = string(object, "executionProvider");
  options.session.executionProviderOptions = strings(object.Get("executionProviderOptions").As<Napi::Object>());
  options.session.device = string(object, "device");
  options.session.deviceId = static_cast<int>(number(object, "deviceId"));
  options.session.cudaGraphs = object.Get("cudaGraphs").As<Napi::Boolean>();
  options.form.separateHeads = object.Get("kvSeparateHeads").As<Napi::Boolean>();
  options.form.kvElementBytes = size(object, "kvElementBytes");
  options.form.candidates = size(object, "candidates");
  options.shape.layers = size(object, "layers");
  options.shape.heads = size(object, "heads");
  options.shape.headSize = size(object, "headSize");
  options.shape.width = size(object, "width");
  options.shape.vocabularySize = size(object, "vocabularySize");
  options.shape.contextLength = size(object, "contextLength");
  options.maxRows = size(object, "maxRows");
  return options;
}

Tokens toTokens(const Napi::Value& value, std::size_t vocabularySize) {
  Tokens tokens;
  for (const double token : numbers(value)) {
    if (!isInteger(token, 0, static_cast<double>(vocabularySize) - 1)) {
      throw Failure(code::invalidToken,
                    "Token id " + text(token) + " is not in the vocabulary, 0 to " +
                        std::to_string(vocabularySize - 1) + ".",
                    {{"token", token}, {"vocabularySize", static_cast<double>(vocabularySize)}});
    }
    tokens.push_back(static_cast<std::int32_t>(token));
  }
  return tokens;
}

RowOptions toRowOptions(const Napi::Value& value, std::size_t vocabularySize) {
  const auto object = value.As<Napi::Object>();
  RowOptions options;
  options.capacity = number(object, "capacity");
  options.prompt = toTokens(object.Get("prompt"), vocabularySize);
  options.output = toTokens(object.Get("output"), vocabularySize);
  options.sampling = toSamplingSettings(object.Get("sampling").As<Napi::Object>(), vocabularySize);
  return options;
}

Napi::Value fromChoice(Napi::Env env, const TokenChoice& choice) {
  auto object = Napi::Object::New(env);
  object["token"] = choice.token;
  if (!choice.logprob) return object;
  object["logprob"] = *choice.logprob;
  auto top = Napi::Array::New(env, choice.topLogprobs.size());
  for (std::size_t i = 0; i < choice.topLogprobs.size(); i++) {
    auto alternative = Napi::Object::New(env);
    alternative["token"] = choice.topLogprobs[i].token;
    alternative["logprob"] = choice.topLogprobs[i].logprob;
    top[static_cast<std::uint32_t>(i)] = alternative;
  }
  object["topLogprobs"] = top;
  return object;
}

Napi::Value fromChoices(Napi::Env env, const std::vector<std::vector<TokenChoice>>& rows) {
  auto result = Napi::Array::New(env, rows.size());
  for (std::size_t row = 0; row < rows.size(); row++) {
    const Napi::HandleScope scope(env);
    auto choices = Napi::Array::New(env, rows[row].size());
    for (std::size_t i = 0; i < rows[row].size(); i++)
      choices[static_cast<std::uint32_t>(i)] = fromChoice(env, rows[row][i]);
    result[static_cast<std::uint32_t>(row)] = choices;
  }
  return result;
}

Napi::Object fromDeviceStatistics(Napi::Env env, const DeviceStatistics& statistics) {
  const auto value = [&](auto bytes) { return Napi::Number::New(env, static_cast<double>(bytes)); };
  const DeviceFigures& memory = statistics.memory;
  auto object = Napi::Object::New(env);
  object["name"] = memory.name;
  object["totalBytes"] = value(memory.totalBytes);
  object["usedBytes"] = value(memory.totalBytes - memory.freeBytes);
  object["freeBytes"] = value(memory.freeBytes);
  if (memory.processBytes) object["processBytes"] = value(*memory.processBytes);
  object["inUseBytes"] = value(statistics.inUseBytes);
  object["inUsePeakBytes"] = value(statistics.inUsePeakBytes);
  object["heldBytes"] = value(statistics.heldBytes);
  if (statistics.limitBytes) object["limitBytes"] = value(*statistics.limitBytes);
  object["weightBytes"] = value(statistics.weightBytes);
  object["fetchedBytes"] = value(statistics.fetchedBytes);
  object["cudaGraphs"] = statistics.cudaGraphs;
  return object;
}

Napi::Value fromStatistics(Napi::Env env, const RunnerStatistics& statistics,
                           const std::optional<DeviceStatistics>& device) {
  const auto value = [&](auto count) { return Napi::Number::New(env, static_cast<double>(count)); };
  auto kv = Napi::Object::New(env);
  kv["bytesPerToken"] = value(statistics.bytesPerToken);
  kv["tokensHeld"] = value(statistics.tokensHeld);
  kv["tokensHeldPeak"] = value(statistics.tokensHeldPeak);
  kv["usedBytes"] = value(statistics.tokensHeld * statistics.bytesPerToken);
  kv["committedBytes"] = value(statistics.kv.committed);
  kv["committedBytesPeak"] = value(statistics.kv.committedPeak);
  kv["reservedBytes"] = value(statistics.kv.reserved);
  kv["copiedBytes"] = value(statistics.kv.copied);
  auto object = Napi::Object::New(env);
  object["rowsOpen"] = value(statistics.rowsOpen);
  object["rowsOpenPeak"] = value(statistics.rowsOpenPeak);
  object["kv"] = kv;
  object["prefillTokens"] = value(statistics.prefillTokens);
  object["decodeSteps"] = value(statistics.decodeSteps);
  object["decodeTokens"] = value(statistics.decodeTokens);
  if (device) object["device"] = fromDeviceStatistics(env, *device);
  return object;
}

Napi::Value fromAllocatorStatistics(Napi::Env env, const std::map<std::string, std::string>& statistics) {
  auto object = Napi::Object::New(env);
  for (const auto& [name, value] : statistics) object[name] = value;
  return object;
}

Napi::Value fromFailure(Napi::Env env, const Failure& failure) {
  auto details = Napi::Object::New(env);
  for (const auto& [name, value] : failure.details()) details[name] = value;
  auto object = Napi::Object::New(env);
  object["code"] = failure.code();
  object["message"] = failure.what();
  object["details"] = details;
  if (failure.ortCode()) object["ortCode"] = *failure.ortCode();
  return object;
}

}  // namespace inhouse
