// Dividing the work: one row and head, or a block of its new positions, is what a thread takes at a time.
#include "cached_attention.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "attention_kernel.h"

namespace inhouse {
namespace {

constexpr std::size_t cacheLine = 64;  // bytes

/** The tensors of one run. */
struct Batch {
  const float* qkv;                  // [B, S, 3, N, H]
  float* keys;                       // [R, N, P, H]
  float* values;                     // [R, N, P, H]
  const std::int32_t* kvRows;        // [B]
  const std::int32_t* lastPosition;  // [B]
  float* output;                     // [B, S, N, H]
  std::size_t rows, newPositions, heads, headSize, capacity;
  float scale;

  std::size_t width() const { return heads * headSize; }
  std::size_t pairs() const { return rows * heads; }

  /** Head `pair % heads` of row `pair / heads`. */
  AttentionHead head(std::size_t pair) const {
    const std::size_t row = pair / heads;
    const std::size_t column = pair % heads * headSize;
    const std::size_t kvPair = static_cast<std::size_t>(kvRows[row]) * heads + pair % heads;
    AttentionHead head;
    head.stride = 3 * width();
    head.outputStride = width();
    head.queries = qkv + row * newPositions * head.stride + column;
    head.keys = keys + kvPair * capacity * headSize;
    head.values = values + kvPair * capacity * headSize;
    head.output = output + row * newPositions * width() + column;
    head.newPositions = newPositions;
    head.positions = static_cast<std::size_t>(lastPosition[row]) + 1;
    head.headSize = headSize;
    head.scale = scale;
    return head;
  }

  /** Writes the new keys and values of a head to their places in the cache. */
  void extend(const AttentionHead& head) const {
    const std::size_t first = (head.positions - newPositions) * headSize;
    for (std::size_t i = 0; i < newPositions; i++) {
      const float* key = head.queries + i * head.stride + width();
      std::copy_n(key, headSize, head.keys + first + i * headSize);
      std::copy_n(key + width(), headSize, head.values + first + i * headSize);
    }
  }
};

/** Hands out 0..count-1, each once, to whichever thread is free. */
class Queue {
 public:
  explicit Queue(std::size_t count) : count_(count) {}
  /** False when nothing is left. */
  bool take(std::size_t& item) { return (item = next_++) < count_; }

 private:
  std::atomic<std::size_t> next_{0};
  std::size_t count_;
};

}  // namespace

class CachedAttentionOp::Node : public Kernel {
 public:
  Node(CachedAttentionOp& op, const NodeInfo& node)
      : op_(op), heads_(static_cast<std::size_t>(node.integer("num_heads"))), scale_(node.number("scale")) {}

  void compute(const KernelContext& context) override {
    const Batch batch = describe(context);
    const AttentionKernels& kernels = attentionKernels(batch.headSize);
    if (batch.newPositions == 1) {
      decode(context, batch, kernels);
    } else {
      append(context, batch, kernels);
    }
  }

 private:
  Batch describe(const KernelContext& context) const;

  /** One new position per row. A thread knows the head it takes next while it works on one, and fetches it ahead. */
  void decode(const KernelContext& context, const Batch& batch, const AttentionKernels& kernels) {
    const std::size_t scratchLength = kernels.scratchLength(batch.headSize);
    float* scratch = op_.scratch(scratchLength);
    Queue queue(batch.pairs());
    const auto work = [&](std::size_t thread) {
      std::size_t pair, next;
      if (!queue.take(pair)) return;
      AttentionHead head = batch.head(pair);
      while (true) {
        batch.extend(head);
        const bool more = queue.take(next);
        const AttentionHead upcoming = more ? batch.head(next) : head;
        kernels.one(head, more ? &upcoming : nullptr, scratch + thread * scratchLength);
        if (!more) return;
        head = upcoming;
      }
    };
    context.parallel(std::min(op_.threads_, batch.pairs()), work);
  }

  /** Several new positions per row: first all keys and values, then the blocks, those with the most keys first. */
  void append(const KernelContext& context, const Batch& batch, const AttentionKernels& kernels) {
    const std::size_t scratchLength = kernels.scratchLength(batch.headSize);
    float* scratch = op_.scratch(scratchLength);
    const auto extend = [&](std::size_t pair) { batch.extend(batch.head(pair)); };
    context.parallel(batch.pairs(), extend);

    const std::size_t blocks = (batch.newPositions + kernels.blockLength - 1) / kernels.blockLength;
    Queue queue(blocks * batch.pairs());
    const auto work = [&](std::size_t thread) {
      for (std::size_t item; queue.take(item);) {
        const std::size_t block = blocks - 1 - item / batch.pairs();
        kernels.block(batch.head(item % batch.pairs()), block * kernels.blockLength,
                      scratch + thread * scratchLength);
      }
    };
    context.parallel(op_.threads_, work);
  }

  CachedAttentionOp& op_;
  std::size_t heads_;
  float scale_;
};

Batch CachedAttentionOp::Node::describe(const KernelContext& context) const {
  const auto qkv = context.shape(0);   // [B, S, 3 * N * H]
  const auto keys = context.shape(1);  // [R, N, P, H]
  const auto values = context.shape(2);
  const auto kvRows = context.shape(3);
  const auto lengths = context.shape(4);
  const bool fits = qkv.size() == 3 && keys.size() == 4 && keys == values && lengths.size() == 1 &&
                    lengths[0] == qkv[0] && kvRows == lengths && keys[1] == static_cast<std::int64_t>(heads_) &&
                    qkv[2] == 3 * keys[1] * keys[3] && keys[3] % 8 == 0;
  if (!fits) throw std::runtime_error("CachedAttention: shapes of the inputs do not fit each other.");

  Batch batch;
  batch.rows = static_cast<std::size_t>(qkv[0]);
  batch.newPositions = static_cast<std::size_t>(qkv[1]);
  batch.heads = heads_;
  batch.headSize = static_cast<std::size_t>(keys[3]);
  batch.capacity = static_cast<std::size_t>(keys[2]);
  batch.scale = scale_;
  batch.qkv = context.input<float>(0);
  batch.keys = context.inputInPlace<float>(1);
  batch.values = context.inputInPlace<float>(2);
  batch.kvRows = context.input<std::int32_t>(3);
  batch.lastPosition = context.input<std::int32_t>(4);
  for (std::size_t row = 0; row < batch.rows; row++) {
    if (batch.kvRows[row] < 0 || batch.kvRows[row] >= keys[0])
      throw std::runtime_error("CachedAttention: there is no row " + std::to_string(batch.kvRows[row]) + " of KV.");
    const std::int64_t positions = std::int64_t{batch.lastPosition[row]} + 1;
    if (positions < qkv[1] || positions > keys[2])
      throw std::runtime_error("CachedAttention: row " + std::to_string(row) + " cannot hold " +
                               std::to_string(positions) + " positions.");
  }
  batch.output = context.output<float>(0, {qkv[0], qkv[1], qkv[2] / 3});
  return batch;
}

CachedAttentionOp::CachedAttentionOp(const Api& api, int threads)
    : CustomOp(api, "CachedAttention",
               {ort::elementFloat, ort::elementFloat, ort::elementFloat, ort::elementInt32, ort::elementInt32,
                ort::elementInt32},
               {ort::elementFloat}),
      threads_(static_cast<std::size_t>(std::max(threads, 1))) {}

float* CachedAttentionOp::scratch(std::size_t length) {
  const std::size_t needed = threads_ * length;
  scratch_.resize(needed + cacheLine / sizeof(float));
  void* begin = scratch_.data();
  std::size_t space = scratch_.size() * sizeof(float);
  return static_cast<float*>(std::align(cacheLine, needed * sizeof(float), begin, space));
}

std::unique_ptr<Kernel> CachedAttentionOp::create(const NodeInfo& node) { return std::make_unique<Node>(*this, node); }

}  // namespace inhouse
