// Chooses the next token of one row from its logits. The same steps in the same order as in
// src/runtime/sampling/sampler.ts: bias, repetition penalty, presence and frequency penalties, minTokens, temperature,
// top-k, top-p, min-p, one draw.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "draw.h"
#include "ranked_candidates.h"
#include "ranking.h"
#include "row_logits.h"
#include "settings.h"

namespace inhouse {

/** Memory for one choice at a time, shared by the samplers of a runner. */
struct SamplingScratch {
  Ranking<float> logits;
  std::vector<std::int32_t> top;
  std::vector<double> adjusted;  // [V]: logits after bias and penalties
  RankedCandidates candidates;
  std::vector<std::int32_t> bestTokens;
  std::vector<double> bestLogits;
  Draw draw;
};

class Sampler {
 public:
  /** `prompt` and `output` are the sequence so far; the next draw is number `output.size()`. */
  Sampler(SamplingSettings settings, const std::vector<std::int32_t>& prompt, const std::vector<std::int32_t>& output,
          std::size_t vocabularySize);

  std::size_t outputLength() const { return output_.size(); }
  bool isStopToken(std::int32_t token) const;

  /**
   * The choice for the logits of a row. Does not change the sampler: the choice counts once it is accepted.
   * Throws NoChoice when no token can be chosen.
   */
  TokenChoice choose(const RowLogits& row, SamplingScratch& scratch) const;

  /** Makes a token part of the output. */
  void accept(std::int32_t token);

  /** Takes back accepted tokens until the output has `length` tokens. */
  void rewind(std::size_t length);

 private:
  std::optional<TokenChoice> chooseAmong(const Candidates& candidates, SamplingScratch& scratch) const;
  TokenChoice chooseFromAll(const float* logits, SamplingScratch& scratch) const;
  /** Bias or penalties. */
  bool changesLogits() const;
  /** No stop token may be chosen yet. */
  bool mustGoOn() const { return output_.size() < settings_.minTokens; }
  void adjust(const float* logits, std::vector<double>& adjusted) const;
  void addLogprobs(const float* logits, SamplingScratch& scratch, TokenChoice& choice) const;

  SamplingSettings settings_;
  std::size_t vocabularySize_;
  std::vector<std::int32_t> output_;
  std::unordered_map<std::int32_t, std::uint32_t> outputCounts_;
  std::unordered_set<std::int32_t> promptTokens_;
};

}  // namespace inhouse
