// Bias, penalties and log-probabilities of one row.
#include "sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "philox.h"

namespace inhouse {

Sampler::Sampler(SamplingSettings settings, const std::vector<std::int32_t>& prompt,
                 const std::vector<std::int32_t>& output, std::size_t vocabularySize)
    : settings_(std::move(settings)), vocabularySize_(vocabularySize), promptTokens_(prompt.begin(), prompt.end()) {
  for (const std::int32_t token : output) accept(token);
}

bool Sampler::isStopToken(std::int32_t token) const {
  const auto& ids = settings_.stopTokenIds;
  return std::find(ids.begin(), ids.end(), token) != ids.end();
}

TokenChoice Sampler::choose(const RowLogits& row, SamplingScratch& scratch) const {
  if (auto choice = chooseAmong(row.candidates, scratch)) return *choice;
  return chooseFromAll(row.all(), scratch);
}

/** The choice, where the candidates settle it: the same token as from all logits. */
std::optional<TokenChoice> Sampler::chooseAmong(const Candidates& candidates, SamplingScratch& scratch) const {
  const bool greedy = settings_.temperature == 0;
  const std::size_t drawn = greedy ? 1 : settings_.topK;
  if (candidates.count == 0 || changesLogits() || drawn == 0 || drawn >= vocabularySize_) return std::nullopt;
  auto& best = scratch.candidates;
  best.load(candidates);
  scratch.bestTokens.clear();
  scratch.bestLogits.clear();
  std::size_t rank = 0;
  for (; rank < best.count() && scratch.bestTokens.size() < drawn; rank++) {
    if (mustGoOn() && isStopToken(best.token(rank))) continue;
    scratch.bestTokens.push_back(best.token(rank));
    scratch.bestLogits.push_back(best.logit(rank));
  }
  if (scratch.bestTokens.size() < drawn) return std::nullopt;
  if (!best.settle(std::max(rank, settings_.logprobs.value_or(0)), vocabularySize_)) return std::nullopt;

  TokenChoice choice;
  choice.token = greedy ? scratch.bestTokens[0]
                        : scratch.draw.sampleFrom(scratch.bestTokens, scratch.bestLogits, vocabularySize_, settings_,
                                                  uniform(settings_.seed, output_.size(), settings_.stream));
  if (settings_.logprobs) {
    const auto chosen = std::find(scratch.bestTokens.begin(), scratch.bestTokens.end(), choice.token);
    choice.logprob = scratch.bestLogits[chosen - scratch.bestTokens.begin()] - best.logTotal();
    for (rank = 0; rank < *settings_.logprobs; rank++)
      choice.topLogprobs.push_back({best.token(rank), best.logit(rank) - best.logTotal()});
  }
  return choice;
}

TokenChoice Sampler::chooseFromAll(const float* logits, SamplingScratch& scratch) const {
  TokenChoice choice;
  const bool greedy = settings_.temperature == 0;
  scratch.logits.rank(logits, vocabularySize_);
  if (greedy && !changesLogits() && !mustGoOn()) {
    choice.token = scratch.logits.argmax();
  } else {
    adjust(logits, scratch.adjusted);
    scratch.draw.load(scratch.adjusted);
    choice.token = greedy ? scratch.draw.mostProbable()
                          : scratch.draw.sample(settings_, uniform(settings_.seed, output_.size(), settings_.stream));
  }
  if (settings_.logprobs) addLogprobs(logits, scratch, choice);
  return choice;
}

void Sampler::accept(std::int32_t token) {
  output_.push_back(token);
  outputCounts_[token]++;
}

void Sampler::rewind(std::size_t length) {
  while (output_.size() > length) {
    const auto count = outputCounts_.find(output_.back());
    if (--count->second == 0) outputCounts_.erase(count);
    output_.pop_back();
  }
}

bool Sampler::changesLogits() const {
  const auto& s = settings_;
  return !s.logitBias.empty() || s.repetitionPenalty != 1 || s.presencePenalty != 0 || s.frequencyPenalty != 0;
}

void Sampler::adjust(const float* logits, std::vector<double>& adjusted) const {
  adjusted.resize(vocabularySize_);
  widen(logits, vocabularySize_, adjusted.data());
  for (const auto& [token, bias] : settings_.logitBias) adjusted[token] += bias;
  if (settings_.repetitionPenalty != 1) {
    const auto penalise = [&](std::int32_t token) {
      double& logit = adjusted[token];
      logit = logit > 0 ? logit / settings_.repetitionPenalty : logit * settings_.repetitionPenalty;
    };
    for (const std::int32_t token : promptTokens_) penalise(token);
    for (const auto& [token, count] : outputCounts_)
      if (promptTokens_.count(token) == 0) penalise(token);
  }
  if (settings_.presencePenalty != 0 || settings_.frequencyPenalty != 0) {
    for (const auto& [token, count] : outputCounts_)
      adjusted[token] = adjusted[token] - settings_.presencePenalty - settings_.frequencyPenalty * count;
  }
  if (mustGoOn()) {
    for (const std::int32_t token : settings_.stopTokenIds) adjusted[token] = -std::numeric_limits<double>::infinity();
  }
}

void Sampler::addLogprobs(const float* logits, SamplingScratch& scratch, TokenChoice& choice) const {
  const float largest = logits[scratch.logits.argmax()];
  const double logTotal = largest + std::log(sumOfExponentials(logits, vocabularySize_, largest));
  choice.logprob = logits[choice.token] - logTotal;
  scratch.logits.largest(*settings_.logprobs, scratch.top);
  for (const std::int32_t token : scratch.top) choice.topLogprobs.push_back({token, logits[token] - logTotal});
}

}  // namespace inhouse
