// How the candidates of a draw are found and one of them is picked.
#include "draw.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace inhouse {
namespace {

/** Tokens are sorted into buckets of probability, each e^(1/64) times as wide as the next, down to e^-32. */
constexpr double bucketsPerNat = 64;
constexpr std::size_t buckets = 2048;

/** Throws NoChoice when no token is left to draw, because some logit is NaN. */
void requireSome(const std::vector<std::int32_t>& tokens) {
  if (tokens.empty()) throw NoChoice("The model gave NaN among its logits: its weights are damaged.");
}

}  // namespace

void Draw::load(const std::vector<double>& logits) {
  logits_ = &logits;
  ranking_.rank(logits.data(), logits.size());
}

std::int32_t Draw::sample(const SamplingSettings& settings, double random) {
  largest_ = (*logits_)[ranking_.argmax()];
  weights_.resize(logits_->size());

  if (settings.topK > 0 && settings.topK < logits_->size()) {
    ranking_.largest(settings.topK, kept_);
    keptLogits_.clear();
    for (const std::int32_t token : kept_) keptLogits_.push_back((*logits_)[token]);
    return sampleKept(settings, random);
  }
  const double total = weighAll(settings.temperature);
  if (settings.topP >= 1 && settings.minP <= 0) return pickFromAll(random * total);
  if (settings.topP < 1) {
    keepNucleus(settings.topP * total, settings.temperature);
  } else {
    keepAtLeast(settings.minP);
  }
  dropImprobable(settings.minP);
  return pickFromKept(random);
}

std::int32_t Draw::sampleFrom(const std::vector<std::int32_t>& tokens, const std::vector<double>& logits,
                              std::size_t vocabularySize, const SamplingSettings& settings, double random) {
  kept_ = tokens;
  keptLogits_ = logits;
  weights_.resize(vocabularySize);
  return sampleKept(settings, random);
}

/** Draws from the kept tokens, which are ranked. */
std::int32_t Draw::sampleKept(const SamplingSettings& settings, double random) {
  double total = 0;
  for (std::size_t rank = 0; rank < kept_.size(); rank++) {
    const double weight = std::exp((keptLogits_[rank] - keptLogits_[0]) / settings.temperature);
    weights_[kept_[rank]] = weight;
    total += weight;
  }
  if (settings.topP < 1) {
    double sum = 0;
    std::size_t count = 0;
    do sum += weights_[kept_[count++]];
    while (sum < settings.topP * total && count < kept_.size());
    kept_.resize(count);
  }
  std::sort(kept_.begin(), kept_.end());
  dropImprobable(settings.minP);
  return pickFromKept(random);
}

void Draw::dropImprobable(double minP) {
  if (minP <= 0) return;
  const auto improbable = [&](std::int32_t token) { return weights_[token] < minP; };
  kept_.erase(std::remove_if(kept_.begin(), kept_.end(), improbable), kept_.end());
}

/** Weighs the whole vocabulary; returns the sum. */
double Draw::weighAll(double temperature) {
  // Finite also where the inverse overflows, so that the largest logit's distance to itself stays 0.
  const double scale = std::min(1 / temperature, std::numeric_limits<double>::max());
  blockSums_.resize(blockCount(logits_->size()));
  exponentials(logits_->data(), logits_->size(), largest_, scale, weights_.data(), blockSums_.data());
  return std::accumulate(blockSums_.begin(), blockSums_.end(), 0.0);
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
  requireSome(boundary_);
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

/** The token among those kept, by id, at which the running sum of their weights passes its share `random`. */
std::int32_t Draw::pickFromKept(double random) const {
  requireSome(kept_);
  const double target = random * std::accumulate(kept_.begin(), kept_.end(), 0.0, [&](double sum, std::int32_t token) {
                          return sum + weights_[token];
                        });
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
