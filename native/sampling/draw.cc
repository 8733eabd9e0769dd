// How the candidates of a draw are found and one of them is picked.
#include "draw.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

namespace inhouse {
namespace {

/** Tokens are sorted into buckets of probability, each e^(1/64) times as wide as the next, down to e^-32. */
constexpr double bucketsPerNat = 64;
constexpr std::size_t buckets = 2048;

}  // namespace

void Draw::load(const std::vector<double>& logits) {
  logits_ = &logits;
  ranking_.rank(logits.data(), logits.size());
}

std::int32_t Draw::sample(const SamplingSettings& settings, double random) {
  const auto& [temperature, topK, topP, minP] =
      std::tie(settings.temperature, settings.topK, settings.topP, settings.minP);
  largest_ = (*logits_)[ranking_.argmax()];
  weights_.resize(logits_->size());

  const bool someOnly = topK > 0 && topK < logits_->size();
  const double total = someOnly ? weighLargest(topK, temperature) : weighAll(temperature);
  if (!someOnly && topP >= 1 && minP <= 0) return pickFromAll(random * total);

  if (someOnly) {
    if (topP < 1) {
      double sum = 0;
      std::size_t count = 0;
      do sum += weights_[kept_[count++]];
      while (sum < topP * total && count < kept_.size());
      kept_.resize(count);
    }
    std::sort(kept_.begin(), kept_.end());
  } else if (topP < 1) {
    keepNucleus(topP * total, temperature);
  } else {
    keepAtLeast(minP);
  }
  if (minP > 0) {
    const auto improbable = [&](std::int32_t token) { return weights_[token] < minP; };
    kept_.erase(std::remove_if(kept_.begin(), kept_.end(), improbable), kept_.end());
  }
  const double keptTotal = std::accumulate(kept_.begin(), kept_.end(), 0.0, [&](double sum, std::int32_t token) {
    return sum + weights_[token];
  });
  return pickFromKept(random * keptTotal);
}

/** Weighs the whole vocabulary; returns the sum. */
double Draw::weighAll(double temperature) {
  blockSums_.resize(blockCount(logits_->size()));
  exponentials(logits_->data(), logits_->size(), largest_, 1 / temperature, weights_.data(), blockSums_.data());
  return std::accumulate(blockSums_.begin(), blockSums_.end(), 0.0);
}

/** Keeps the `count` largest, in that order, and weighs them; returns the sum. */
double Draw::weighLargest(std::size_t count, double temperature) {
  ranking_.largest(count, kept_);
  double total = 0;
  for (const std::int32_t token : kept_) {
    weights_[token] = std::exp(((*logits_)[token] - largest_) / temperature);
    total += weights_[token];
  }
  return total;
}

/** Keeps the tokens of at least this weight, which must be positive, by id. */
void Draw::keepAtLeast(double weight) {
  kept_.clear();
  for (std::size_t block = 0; block < blockSums_.size(); block++) {
    if (blockSums_[block] < weight) continue;
    const std::size_t end = std::min((block + 1) * blockLength, weights_.size());
    for (std::size_t token = block * blockLength; token < end; token++)
      if (weights_[token] >= weight) kept_.push_back(static_cast<std::int32_t>(token));
  }
}

/** Keeps the smallest set of most probable tokens whose weights reach `enough`, by id. */
void Draw::keepNucleus(double enough, double temperature) {
  // Tokens of less than an equal share of what may be left out cannot add up to it, so all of them may be left out.
  const double total = std::accumulate(blockSums_.begin(), blockSums_.end(), 0.0);
  const double share = 0.999 * (total - enough) / static_cast<double>(weights_.size());
  keepAtLeast(std::max(share, std::numeric_limits<double>::min()));
  const std::int32_t last = lastOfNucleus(enough, temperature);
  const auto beyond = [&](std::int32_t token) { return ranking_.before(last, token); };
  kept_.erase(std::remove_if(kept_.begin(), kept_.end(), beyond), kept_.end());
}

/** The least probable token of the nucleus, among those kept. Sorts only tokens whose probability is near its own. */
std::int32_t Draw::lastOfNucleus(double enough, double temperature) {
  const auto bucket = [&](std::int32_t token) {
    const double distance = (largest_ - (*logits_)[token]) / temperature * bucketsPerNat;
    return static_cast<std::size_t>(std::min(distance, static_cast<double>(buckets - 1)));
  };
  masses_.assign(buckets, 0);
  for (const std::int32_t token : kept_) masses_[bucket(token)] += weights_[token];

  double sum = 0;
  std::size_t reached = 0;
  std::size_t lastFilled = 0;
  for (; reached < buckets; reached++) {
    if (masses_[reached] > 0) lastFilled = reached;
    if (sum + masses_[reached] >= enough && masses_[reached] > 0) break;
    sum += masses_[reached];
  }
  if (reached == buckets) {  // rounding kept the sum just below: the nucleus is everything
    reached = lastFilled;
    sum = -std::numeric_limits<double>::infinity();
  }

  boundary_.clear();
  for (const std::int32_t token : kept_)
    if (bucket(token) == reached) boundary_.push_back(token);
  std::sort(boundary_.begin(), boundary_.end(),
            [this](std::int32_t a, std::int32_t b) { return ranking_.before(a, b); });
  for (const std::int32_t token : boundary_) {
    sum += weights_[token];
    if (sum >= enough) return token;
  }
  return boundary_.back();
}

/** The token at which the running sum of all weights passes `target`. */
std::int32_t Draw::pickFromAll(double target) const {
  double sum = 0;
  std::size_t block = 0;
  while (block + 1 < blockSums_.size() && sum + blockSums_[block] <= target) sum += blockSums_[block++];
  // Rounding may leave the target just beyond the last token that has a share: then that one it is.
  while (block > 0 && blockSums_[block] == 0) block--;

  const std::size_t begin = block * blockLength;
  const std::size_t end = std::min(begin + blockLength, weights_.size());
  std::size_t chosen = begin;
  for (std::size_t token = begin; token < end; token++) {
    if (weights_[token] == 0) continue;
    chosen = token;
    sum += weights_[token];
    if (sum > target) break;
  }
  return static_cast<std::int32_t>(chosen);
}

std::int32_t Draw::pickFromKept(double target) const {
  double sum = 0;
  std::int32_t chosen = kept_.front();
  for (const std::int32_t token : kept_) {
    if (weights_[token] == 0) continue;  // too improbable to have a share: never the one that rounding leaves
    chosen = token;
    sum += weights_[token];
    if (sum > target) break;
  }
  return chosen;
}

}  // namespace inhouse
