// The operator `BlockwiseMatMul`: rows times a matrix stored in blocks of 8 or 4 bits.
//
// What it computes is said in src/graph/blockwise-matmul.ts. A row's result is the same to the bit whatever rows are
// computed with it, and on however many threads.
#pragma once

#include "../ort/custom_op.h"
#include "kernel.h"

namespace inhouse {

class BlockwiseMatMulOp : public CustomOp {
 public:
  BlockwiseMatMulOp(const Api& api, const ProductKernel& kernel, int threads);
  std::unique_ptr<Kernel> create(const NodeInfo& node) override;

 private:
  class Node;

  /** Room for the rounded rows of the node that runs: nodes of a session run one after the other. */
  RoundedRows roomFor(std::size_t rows, const BlockGrid& grid);

  const ProductKernel& kernel_;
  std::size_t threads_;
  std::vector<std::int8_t> values_;
  std::vector<float> scales_;
  std::vector<std::int32_t> negativeSums_;
};

}  // namespace inhouse
