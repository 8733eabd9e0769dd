// One line per operator.
#include "operators.h"

#include "attention/cached_attention.h"
#include "products/blockwise_matmul.h"

namespace inhouse {

std::vector<std::unique_ptr<CustomOp>> makeOperators(const Api& api, int threads, bool ownProducts) {
  std::vector<std::unique_ptr<CustomOp>> operators;
  operators.push_back(std::make_unique<CachedAttentionOp>(api, threads));
  const ProductKernel* products = ownProducts ? productKernel() : nullptr;
  if (products != nullptr) operators.push_back(std::make_unique<BlockwiseMatMulOp>(api, *products, threads));
  return operators;
}

}  // namespace inhouse
