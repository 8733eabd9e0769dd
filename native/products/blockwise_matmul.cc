// Dividing the work: rows are rounded once, then threads take panels of outputs, a few at a time.
#include "blockwise_matmul.h"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>

#include "../platform/mapped_file.h"
#include "packed_matrix.h"

namespace inhouse {
namespace {

/** Inputs of the operator. */
enum Input : std::size_t { inputX, inputCodes, inputScales, inputZeroPoints, inputBias };

/** Rounding this many values takes one thread about as long as waking the others. */
constexpr std::size_t valuesWorthSharing = 16384;

/** Rounded rows that are multiplied with one panel after another stay in a core's own cache. */
constexpr std::size_t rowBytesAtATime = 512 * 1024;

/** Portions of panels per thread: enough that a thread which starts late, or is held up, does not hold up the others. */
constexpr std::size_t portionsPerThread = 4;

/** The matrix of a node, as the model has it. */
struct StoredMatrix {
  BlockGrid grid;
  ConstantInput codes, scales, zeroPoints;

  explicit StoredMatrix(const NodeInfo& node) : zeroPoints{nullptr, 0} {
    const auto size = [&](const char* name) { return static_cast<std::size_t>(node.integer(name)); };
    grid = {size("K"), size("N"), size("bits"), size("block_size")};
    const std::size_t blocks = grid.outputs * grid.blocks();
    codes = node.constant(inputCodes, blocks * grid.block * grid.bits / 8);
    scales = node.constant(inputScales, blocks * (grid.bits == 8 ? 4 : 2));
    if (grid.bits == 4) zeroPoints = node.constant(inputZeroPoints, grid.outputs * ((grid.blocks() + 1) / 2));
  }

  StoredBlocks blocks() const {
    return {static_cast<const std::uint8_t*>(codes.data), scales.data,
            static_cast<const std::uint8_t*>(zeroPoints.data)};
  }
};

}  // namespace

class BlockwiseMatMulOp::Node : public Kernel {
 public:
  Node(BlockwiseMatMulOp& op, const StoredMatrix& stored) : op_(op), matrix_(stored.grid, stored.blocks()) {
    for (const ConstantInput& each : {stored.codes, stored.scales, stored.zeroPoints})
      releaseMappedPages(each.data, each.bytes);
  }

  void compute(const KernelContext& context) override {
    const BlockGrid& grid = matrix_.grid();
    std::vector<std::int64_t> shape = context.shape(inputX);  // [..., K]
    if (shape.empty() || shape.back() != static_cast<std::int64_t>(grid.inputs))
      throw std::runtime_error("BlockwiseMatMul: the rows must have " + std::to_string(grid.inputs) + " values.");
    shape.back() = static_cast<std::int64_t>(grid.outputs);
    std::size_t rows = 1;
    for (std::size_t i = 0; i + 1 < shape.size(); i++) rows *= static_cast<std::size_t>(shape[i]);
    float* y = context.output<float>(0, shape);
    if (rows == 0) return;

    const RoundedRows rounded = op_.roomFor(rows, grid);
    round(context, context.input<float>(inputX), rounded, rows);
    multiply(context, rounded, rows, context.input<float>(inputBias), y);
  }

 private:
  void round(const KernelContext& context, const float* x, const RoundedRows& rounded, std::size_t rows) {
    const BlockGrid& grid = matrix_.grid();
    const auto roundRow = [&](std::size_t row) {
      op_.kernel_.roundRow(grid, x + row * grid.inputs, rounded.from(row, grid));
    };
    if (rows * grid.inputs >= valuesWorthSharing) {
      context.parallel(rows, roundRow);
    } else {
      for (std::size_t row = 0; row < rows; row++) roundRow(row);
    }
  }

  void multiply(const KernelContext& context, const RoundedRows& rounded, std::size_t rows, const float* bias,
                float* y) {
    const BlockGrid& grid = matrix_.grid();
    const std::size_t rowsAtATime = std::max<std::size_t>(8, rowBytesAtATime / grid.paddedInputs() / 8 * 8);
    const std::size_t portions = std::min(grid.panels(), op_.threads_ == 1 ? 1 : op_.threads_ * portionsPerThread);
    std::atomic<std::size_t> next{0};
    const auto work = [&](std::size_t) {
      for (std::size_t portion = next++; portion < portions; portion = next++) {
        const std::size_t begin = grid.panels() * portion / portions;
        const std::size_t end = grid.panels() * (portion + 1) / portions;
        for (std::size_t row = 0; row < rows; row += rowsAtATime) {
          const std::size_t count = std::min(rowsAtATime, rows - row);
          for (std::size_t panel = begin; panel < end; panel++) {
            const std::size_t output = panel * panelOutputs;
            op_.kernel_.multiply(grid, matrix_.panel(panel), rounded.from(row, grid), count,
                                 bias == nullptr ? nullptr : bias + output, y + row * grid.outputs + output,
                                 grid.outputs, std::min(panelOutputs, grid.outputs - output));
          }
        }
      }
    };
    context.parallel(std::min(op_.threads_, portions), work);
  }

  BlockwiseMatMulOp& op_;
  PackedMatrix matrix_;
};

BlockwiseMatMulOp::BlockwiseMatMulOp(const Api& api, const ProductKernel& kernel, int threads)
    : CustomOp(api, "BlockwiseMatMul",
               {ort::elementFloat, ort::elementUint8, ort::elementAny, ort::elementUint8, ort::elementFloat},
               {ort::elementFloat}, inputZeroPoints),
      kernel_(kernel),
      threads_(static_cast<std::size_t>(std::max(threads, 1))) {}

std::unique_ptr<Kernel> BlockwiseMatMulOp::create(const NodeInfo& node) {
  return std::make_unique<Node>(*this, StoredMatrix(node));
}

RoundedRows BlockwiseMatMulOp::roomFor(std::size_t rows, const BlockGrid& grid) {
  const auto atLeast = [](auto& room, std::size_t size) {
    if (room.size() < size) room.resize(size);
    return room.data();
  };
  return {atLeast(values_, rows * grid.paddedInputs()), atLeast(scales_, rows * grid.blocks()),
          atLeast(negativeSums_, rows * grid.blocks())};
}

}  // namespace inhouse
