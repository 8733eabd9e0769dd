// One line per operator.
#include "operators.h"

#include "attention/cached_attention.h"

namespace inhouse {

std::vector<std::unique_ptr<CustomOp>> makeOperators(const Api& api, int threads) {
  std::vector<std::unique_ptr<CustomOp>> operators;
  operators.push_back(std::make_unique<CachedAttentionOp>(api, threads));
  return operators;
}

}  // namespace inhouse
