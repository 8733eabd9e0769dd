// Candidates in the one order that samplers know: largest logit first, ties to the smaller id.
//
// A graph lists equal logits in an order of its own. Where the last candidate ties with one that is wanted, others
// beyond the list may tie as well, and which is chosen must not depend on the graph: then the list settles nothing.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "row_logits.h"

namespace inhouse {

class RankedCandidates {
 public:
  void load(const Candidates& candidates) {
    source_ = candidates;
    order_.resize(std::isfinite(candidates.logprob) ? candidates.count : 0);  // else some logit is no number
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) {
      return logitAt(a) > logitAt(b) || (logitAt(a) == logitAt(b) && source_.tokens[a] < source_.tokens[b]);
    });
  }

  /** True when the `count` largest of the vocabulary are sure to be the first `count` here. */
  bool settle(std::size_t count, std::size_t vocabularySize) const {
    if (count == 0 || count > order_.size() || !std::isfinite(logit(0))) return false;
    return order_.size() == vocabularySize || logit(count - 1) > logit(order_.size() - 1);
  }

  std::size_t count() const { return order_.size(); }
  std::int32_t token(std::size_t rank) const { return source_.tokens[order_[rank]]; }
  float logit(std::size_t rank) const { return logitAt(order_[rank]); }
  /** Logarithm of the sum of all exponentials, also of those not listed. */
  double logTotal() const { return static_cast<double>(source_.logits[0]) - source_.logprob; }

 private:
  float logitAt(std::size_t index) const { return source_.logits[index]; }

  Candidates source_;
  std::vector<std::size_t> order_;
};

}  // namespace inhouse
