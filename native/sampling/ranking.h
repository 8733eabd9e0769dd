// The largest of a vocabulary's values, ties to the smaller id, without sorting the vocabulary.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "../failure.h"
#include "vector_math.h"

namespace inhouse {

template <class T>
class Ranking {
 public:
  /** Refers to `values` [length] until the next call. Reuses its own memory. */
  void rank(const T* values, std::size_t length) {
    values_ = values;
    length_ = length;
    maxima_.resize(blockCount(length));
    blockMaxima(values, length, maxima_.data());
  }

  /**
   * The id of the largest value. Throws NoChoice when that is not a finite number; NaN after
   * the first place is overlooked.
   */
  std::int32_t argmax() const {
    const std::size_t block = std::max_element(maxima_.begin(), maxima_.end()) - maxima_.begin();
    const T largest = std::isnan(values_[0]) ? values_[0] : maxima_[block];
    if (!std::isfinite(largest)) {
      const char* text = std::isnan(largest) ? "NaN" : largest > 0 ? "Infinity" : "-Infinity";
      throw NoChoice(std::string("The model gave ") + text +
                     " as its largest logit: its weights are damaged, or every token was ruled out.");
    }
    const T* begin = values_ + block * blockLength;
    return static_cast<std::int32_t>(std::find(begin, values_ + length_, largest) - values_);
  }

  /** True when id `a` comes before id `b` from the largest value down. */
  bool before(std::int32_t a, std::int32_t b) const {
    return values_[a] > values_[b] || (values_[a] == values_[b] && a < b);
  }

  /** Fills `ids` with those of the `count` largest values, largest first. */
  void largest(std::size_t count, std::vector<std::int32_t>& ids) {
    ids.clear();
    const T cutoff = valueReachedBy(count);
    for (std::size_t block = 0; block < maxima_.size(); block++) {
      if (maxima_[block] < cutoff) continue;
      const std::size_t end = std::min((block + 1) * blockLength, length_);
      for (std::size_t id = block * blockLength; id < end; id++)
        if (values_[id] >= cutoff) ids.push_back(static_cast<std::int32_t>(id));
    }
    const std::size_t kept = std::min(count, ids.size());
    const auto order = [this](std::int32_t a, std::int32_t b) { return before(a, b); };
    if (kept < ids.size()) std::nth_element(ids.begin(), ids.begin() + kept, ids.end(), order);
    ids.resize(kept);
    std::sort(ids.begin(), ids.end(), order);
  }

 private:
  /** A value that at least `count` values reach: one in each of the `count` blocks with the largest maxima. */
  T valueReachedBy(std::size_t count) {
    if (count == 0 || count > maxima_.size()) return -std::numeric_limits<T>::infinity();
    ordered_ = maxima_;
    const auto nth = ordered_.begin() + (count - 1);
    std::nth_element(ordered_.begin(), nth, ordered_.end(), std::greater<T>());
    return *nth;
  }

  const T* values_ = nullptr;
  std::size_t length_ = 0;
  std::vector<T> maxima_;   // per block
  std::vector<T> ordered_;  // scratch
};

}  // namespace inhouse
