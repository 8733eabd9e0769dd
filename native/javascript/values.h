// JavaScript's values to the hot loop's, and back. The shapes are typed in src/runtime/native/addon.ts.
#pragma once

#include <napi.h>

#include <map>
#include <string>
#include <vector>

#include "../failure.h"
#include "../runner.h"

namespace inhouse {

RunnerOptions toRunnerOptions(const Napi::Value& value);

/** From a Float64Array. Throws a Failure (INHOUSE_INVALID_TOKEN) for the first id outside the vocabulary. */
Tokens toTokens(const Napi::Value& value, std::size_t vocabularySize);

/** Throws as toTokens does. */
RowOptions toRowOptions(const Napi::Value& value, std::size_t vocabularySize);

Napi::Value fromChoice(Napi::Env env, const TokenChoice& choice);
Napi::Value fromChoices(Napi::Env env, const std::vector<std::vector<TokenChoice>>& rows);
Napi::Value fromStatistics(Napi::Env env, const RunnerStatistics& statistics,
                           const std::optional<DeviceStatistics>& device);
Napi::Value fromAllocatorStatistics(Napi::Env env, const std::map<std::string, std::string>& statistics);

/** { code, message, details, ortCode? }, of which src/runtime/native.ts makes an error of its own. */
Napi::Value fromFailure(Napi::Env env, const Failure& failure);

}  // namespace inhouse
