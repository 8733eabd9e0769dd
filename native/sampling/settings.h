// How the next token of a row is chosen, and what is told of a choice.
// The meanings are those of SamplingSettings and TokenChoice in src/runtime/runner.ts.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace inhouse {

struct SamplingSettings {
  double temperature;
  std::size_t topK;
  double topP;
  double minP;
  double repetitionPenalty;
  double presencePenalty;
  double frequencyPenalty;
  std::vector<std::pair<std::int32_t, double>> logitBias;
  std::uint64_t seed;
  std::uint32_t stream;
  std::vector<std::int32_t> stopTokenIds;
  std::size_t minTokens;
  std::optional<std::size_t> logprobs;
};

struct TokenLogprob {
  std::int32_t token;
  double logprob;
};

struct TokenChoice {
  std::int32_t token;
  /** Set when log-probabilities were asked for. */
  std::optional<double> logprob;
  std::vector<TokenLogprob> topLogprobs;  // most probable first
};

}  // namespace inhouse
