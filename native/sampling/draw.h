// One random draw from adjusted logits at a temperature, among the tokens that top-k, top-p and min-p leave.
//
// Weights are proportional to probabilities, 1 at the largest. The tokens that are left are always summed in the order
// of their ids, so the choice does not depend on how they were found.
#pragma once

#include <cstdint>
#include <vector>

#include "ranking.h"
#include "settings.h"

namespace inhouse {

class Draw {
 public:
  /** Refers to the logits [V] until the next load. */
  void load(const std::vector<double>& logits);

  /** Throws NoChoice when the largest logit is not finite. */
  std::int32_t mostProbable() const { return ranking_.argmax(); }

  /** `random` is uniform in [0, 1). Throws as mostProbable does, and when NaN leaves no token to draw. */
  std::int32_t sample(const SamplingSettings& settings, double random);

  /**
   * The same draw where the tokens that top-k leaves are known without the rest: `tokens`, the most probable first, and
   * their logits. Needs no load.
   */
  std::int32_t sampleFrom(const std::vector<std::int32_t>& tokens, const std::vector<double>& logits,
                          std::size_t vocabularySize, const SamplingSettings& settings, double random);

 private:
  double weighAll(double temperature);
  std::int32_t sampleKept(const SamplingSettings& settings, double random);
  void dropImprobable(double minP);
  void keepAtLeast(double weight);
  void keepNucleus(double enough, double temperature);
  std::int32_t lastOfNucleus(double enough, double temperature);
  std::int32_t pickFromAll(double target) const;
  std::int32_t pickFromKept(double random) const;

  const std::vector<double>* logits_ = nullptr;
  Ranking<double> ranking_;
  double largest_ = 0;
  std::vector<double> weights_;    // [V]; of the kept only, in sampleKept
  std::vector<double> blockSums_;  // of weights_
  std::vector<std::int32_t> kept_;
  std::vector<double> keptLogits_;  // while they are ranked
  std::vector<double> masses_;          // per bucket of lastOfNucleus
  std::vector<std::int32_t> boundary_;  // candidates of one bucket
};

}  // namespace inhouse
