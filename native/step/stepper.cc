// Filling the graph's inputs, and binding them and the KV rows to a run.
#include "stepper.h"

#include <algorithm>
#include <numeric>

namespace inhouse {
namespace {

std::int64_t dim(std::size_t size) { return static_cast<std::int64_t>(size); }

}  // namespace

Stepper::Stepper(Session& session, const KvArena& arena, const ModelShape& shape, std::size_t maxRows)
    : session_(session),
      arena_(arena),
      shape_(shape),
      names_(shape.layers),
      inputIds_(std::max(maxRows, chunkTokens)),
      positionIds_(inputIds_.size()),
      seqlensK_(maxRows),
      logitsIndex_(inputIds_.size()),
      logits_(maxRows * shape.vocabularySize),
      decodeSteps_(maxRows + 1) {}

const float* Stepper::decode(const std::vector<DecodeInput>& inputs) {
  const std::size_t rows = inputs.size();
  std::size_t longest = 0;
  for (std::size_t row = 0; row < rows; row++) {
    const auto& [token, past] = inputs[row];
    inputIds_[row] = token;
    positionIds_[row] = dim(past);
    seqlensK_[row] = static_cast<std::int32_t>(past);
    logitsIndex_[row] = dim(row);
    longest = std::max(longest, past);
  }
  totalSequenceLength_ = static_cast<std::int32_t>(longest + 1);

  auto& step = decodeSteps_[rows];
  if (!step) step = bindDecode(rows);
  session_.run(step->binding);
  return logits_.data();
}

void Stepper::append(const ChunkInput& chunk) {
  const std::size_t total = chunk.past + chunk.count;
  std::copy_n(chunk.tokens, chunk.count, inputIds_.begin());
  std::iota(positionIds_.begin(), positionIds_.begin() + dim(chunk.count), dim(chunk.past));
  seqlensK_[0] = static_cast<std::int32_t>(total - 1);
  totalSequenceLength_ = static_cast<std::int32_t>(total);
  std::iota(logitsIndex_.begin(), logitsIndex_.begin() + dim(chunk.logitsRows), dim(chunk.count - chunk.logitsRows));

  if (chunk.row >= rowViews_.size()) rowViews_.resize(chunk.row + 1);
  auto& kv = rowViews_[chunk.row];
  if (!kv) kv = std::make_unique<KvView>(view(chunk.row, 1));

  BoundStep step;
  bindInputs(step, 1, chunk.count, chunk.logitsRows);
  // Always an output, if an empty one: a run that asks for nothing is refused.
  float* logits = chunk.logitsRows > 0 ? chunk.logits : logits_.data();
  bindOutput(step, GraphNames::logits, logits, {dim(chunk.logitsRows), dim(shape_.vocabularySize)});
  if (chunk.hidden != nullptr)
    bindOutput(step, GraphNames::hidden, chunk.hidden, {1, dim(chunk.count), dim(shape_.width)});
  bindKv(step, *kv);
  session_.run(step.binding);
}

std::unique_ptr<Stepper::BoundStep> Stepper::bindDecode(std::size_t rows) {
  auto step = std::make_unique<BoundStep>();
  bindInputs(*step, rows, 1, rows);
  bindOutput(*step, GraphNames::logits, logits_.data(), {dim(rows), dim(shape_.vocabularySize)});
  step->kv = view(0, rows);
  bindKv(*step, step->kv);
  return step;
}

Stepper::KvView Stepper::view(std::size_t firstRow, std::size_t count) const {
  const std::vector<std::int64_t> shape = {dim(count), dim(shape_.heads), dim(arena_.capacity()),
                                           dim(shape_.headSize)};
  KvView kv;
  for (std::size_t layer = 0; layer < shape_.layers; layer++) {
    kv.keys.push_back(session_.tensor(reinterpret_cast<float*>(arena_.keys(layer, firstRow)), shape));
    kv.values.push_back(session_.tensor(reinterpret_cast<float*>(arena_.values(layer, firstRow)), shape));
  }
  return kv;
}

void Stepper::bindInputs(BoundStep& step, std::size_t rows, std::size_t tokensPerRow, std::size_t logitsRows) {
  const auto bind = [&](const char* name, auto* data, const std::vector<std::int64_t>& shape) {
    step.tensors.push_back(session_.tensor(data, shape));
    step.binding.input(name, step.tensors.back().get());
  };
  bind(GraphNames::inputIds, inputIds_.data(), {dim(rows), dim(tokensPerRow)});
  bind(GraphNames::positionIds, positionIds_.data(), {dim(rows), dim(tokensPerRow)});
  bind(GraphNames::seqlensK, seqlensK_.data(), {dim(rows)});
  bind(GraphNames::totalSequenceLength, &totalSequenceLength_, {});
  bind(GraphNames::logitsIndex, logitsIndex_.data(), {dim(logitsRows)});
}

void Stepper::bindOutput(BoundStep& step, const char* name, float* data, const std::vector<std::int64_t>& shape) {
  step.tensors.push_back(session_.tensor(data, shape));
  step.binding.output(name, step.tensors.back().get());
}

void Stepper::bindKv(BoundStep& step, const KvView& kv) {
  // Inputs only: CachedAttention writes the new positions where they belong.
  for (std::size_t layer = 0; layer < shape_.layers; layer++) {
    step.binding.input(names_.pastKey(layer), kv.keys[layer].get());
    step.binding.input(names_.pastValue(layer), kv.values[layer].get());
  }
}

}  // namespace inhouse
