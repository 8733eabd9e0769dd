// Filling the graph's inputs, and binding them and the KV rows to a run.
#include "stepper.h"

#include <algorithm>
#include <numeric>

#include "../failure.h"

namespace inhouse {
namespace {

std::int64_t dim(std::size_t size) { return static_cast<std::int64_t>(size); }

/** Where the inputs lie in their buffer, which has room for `tokens` tokens of `rows` rows. */
struct InputOffsets {
  InputOffsets(std::size_t tokens, std::size_t rows)
      : positions(tokens * sizeof(std::int64_t)),
        logitsIndex(2 * positions),
        seqlens(3 * positions),
        kvRows(seqlens + rows * sizeof(std::int32_t)),
        bytes(kvRows + rows * sizeof(std::int32_t)) {}

  std::size_t ids = 0;
  std::size_t positions, logitsIndex, seqlens;
  std::size_t kvRows;  // last: devices have no use for it
  std::size_t bytes;
};

/** Where the candidates of `rows` rows lie in their buffer. */
struct CandidateOffsets {
  CandidateOffsets(std::size_t rows, std::size_t count)
      : logits(rows * count * sizeof(std::int32_t)), logprobs(2 * logits), bytes(logprobs + rows * sizeof(float)) {}

  std::size_t tokens = 0;
  std::size_t logits, logprobs, bytes;
};

}  // namespace

Stepper::Stepper(Session& session, DeviceMemory* device, const KvStore& kv, const ModelShape& shape,
                 const GraphForm& form, const StepLimits& limits)
    : session_(session),
      device_(device),
      kv_(kv),
      shape_(shape),
      form_(form),
      limits_(limits),
      names_(shape.layers),
      tokens_(std::max(limits.rows, chunkTokens)),
      inputs_(session, device, InputOffsets(tokens_, limits.rows).bytes),
      decodeSteps_(limits.rows + 1) {}

void Stepper::provideLogits() {
  if (!logits_) logits_.emplace(session_, device_, limits_.logitsRows * shape_.vocabularySize * sizeof(float));
  if (!candidates_ && form_.candidates > 0)
    candidates_.emplace(session_, device_, CandidateOffsets(limits_.logitsRows, form_.candidates).bytes);
}

void Stepper::decode(const std::vector<DecodeInput>& inputs) {
  followKv();
  const std::size_t rows = inputs.size();
  if (const std::size_t padded = rowsOfGraph(rows)) {
    fillDecode(inputs, padded);
    if (runAsGraph(padded)) return;
  }
  fillDecode(inputs, rows);
  session_.run(decodeStep(rows).binding);
}

void Stepper::append(const ChunkInput& chunk) {
  followKv();
  const std::size_t total = chunk.past + chunk.count;
  const std::size_t leastLogits = device_ != nullptr ? 1 : 0;  // the kernels of devices are not to meet empty tensors
  const std::size_t logitsRows = std::max(chunk.logitsRows, leastLogits);
  const InputOffsets at(tokens_, limits_.rows);
  std::copy_n(chunk.tokens, chunk.count, inputs_.hostSide<std::int64_t>(at.ids));
  auto* positions = inputs_.hostSide<std::int64_t>(at.positions);
  std::iota(positions, positions + chunk.count, dim(chunk.past));
  auto* logitsIndex = inputs_.hostSide<std::int64_t>(at.logitsIndex);
  std::iota(logitsIndex, logitsIndex + logitsRows, dim(chunk.count - logitsRows));
  *inputs_.hostSide<std::int32_t>(at.seqlens) = static_cast<std::int32_t>(total - 1);
  *inputs_.hostSide<std::int32_t>(at.kvRows) = static_cast<std::int32_t>(kv_.place(chunk.row));
  totalSequenceLength_ = static_cast<std::int32_t>(total);
  inputs_.send(at.kvRows);

  BoundStep step;
  bindInputs(step, 1, chunk.count, logitsRows);
  bindLogits(step, logitsRows);  // an empty one too: a run that asks for nothing is refused
  if (chunk.hidden) bindHidden(step, chunk.count);
  bindKv(step, kvTensors(chunk.row, 1));
  session_.run(step.binding);
  logitsRows_ = logitsRows;
  candidatesFetched_ = false;
}

RowLogits Stepper::rowLogits(std::size_t row) {
  RowLogits result;
  if (form_.candidates > 0) {
    const CandidateOffsets at(logitsRows_, form_.candidates);
    if (!candidatesFetched_) fetch(*candidates_, 0, at.bytes);
    candidatesFetched_ = true;
    result.candidates.tokens = candidates_->hostSide<std::int32_t>(at.tokens) + row * form_.candidates;
    result.candidates.logits = candidates_->hostSide<float>(at.logits) + row * form_.candidates;
    result.candidates.logprob = candidates_->hostSide<float>(at.logprobs)[row];
    result.candidates.count = form_.candidates;
  }
  result.all = [this, row] {
    const std::size_t bytes = shape_.vocabularySize * sizeof(float);
    fetch(*logits_, row * bytes, bytes);
    return logits_->hostSide<const float>(row * bytes);
  };
  return result;
}

const float* Stepper::logits(std::size_t rows) {
  fetch(*logits_, 0, rows * shape_.vocabularySize * sizeof(float));
  return logits_->hostSide<const float>(0);
}

const float* Stepper::hidden(std::size_t count) {
  fetch(*hidden_, 0, count * shape_.width * sizeof(float));
  return hidden_->hostSide<const float>(0);
}

void Stepper::fetch(StepBuffer& buffer, std::size_t offset, std::size_t bytes) {
  buffer.fetch(offset, bytes);
  if (device_ != nullptr) fetchedBytes_ += bytes;
}

/** With `rows` beyond the inputs: those get a token at position 0, which nobody reads. */
void Stepper::fillDecode(const std::vector<DecodeInput>& inputs, std::size_t rows) {
  const InputOffsets at(tokens_, limits_.rows);
  std::size_t longest = 0;
  for (std::size_t row = 0; row < rows; row++) {
    const auto& [token, past] = row < inputs.size() ? inputs[row] : DecodeInput{0, 0};
    inputs_.hostSide<std::int64_t>(at.ids)[row] = token;
    inputs_.hostSide<std::int64_t>(at.positions)[row] = dim(past);
    inputs_.hostSide<std::int64_t>(at.logitsIndex)[row] = dim(row);
    inputs_.hostSide<std::int32_t>(at.seqlens)[row] = static_cast<std::int32_t>(past);
    inputs_.hostSide<std::int32_t>(at.kvRows)[row] = static_cast<std::int32_t>(kv_.place(row));
    longest = std::max(longest, past);
  }
  totalSequenceLength_ = static_cast<std::int32_t>(longest + 1);
  inputs_.send(at.kvRows);
  logitsRows_ = rows;
  candidatesFetched_ = false;
}

/**
 * Rows of the CUDA graph that serves a decode step, 0 for none: the next power of two, so that few graphs serve all
 * steps. The rows that are too many get a token, so they must hold nothing.
 */
std::size_t Stepper::rowsOfGraph(std::size_t rows) const {
  if (!session_.capturesGraphs()) return 0;
  std::size_t padded = 1;
  while (padded < rows) padded *= 2;
  padded = std::min(padded, limits_.rows);
  for (std::size_t row = rows; row < padded; row++)
    if (!kv_.isSpare(row)) return 0;
  return padded;
}

/** False when it failed: then graphs are given up, and the step is still to be done. */
bool Stepper::runAsGraph(std::size_t rows) {
  BoundStep& step = decodeStep(rows);
  if (step.cudaGraph == Session::noGraph) step.cudaGraph = ++cudaGraphs_;
  // The graph keeps the value of its capture, so it is one that all steps until the next generation can do with.
  totalSequenceLength_ = static_cast<std::int32_t>(kvCapacity_);
  try {
    session_.run(step.binding, step.cudaGraph);
    return true;
  } catch (const Failure& failure) {
    session_.giveUpGraphs(failure.what());
    return false;
  }
}

/** Forgets what refers to KV blocks that are no more. */
void Stepper::followKv() {
  if (kvGeneration_ == kv_.generation()) return;
  kvGeneration_ = kv_.generation();
  for (auto& step : decodeSteps_) step.reset();
  kvTensors_.clear();
  kvCapacity_ = kv_.keys(0, 0).capacity;
  for (std::size_t layer = 0; layer < shape_.layers; layer++)
    kvCapacity_ = std::min({kvCapacity_, kv_.keys(layer, 0).capacity, kv_.values(layer, 0).capacity});
}

Stepper::BoundStep& Stepper::decodeStep(std::size_t rows) {
  auto& step = decodeSteps_[rows];
  if (step) return *step;
  step = std::make_unique<BoundStep>();
  bindInputs(*step, rows, 1, rows);
  bindLogits(*step, rows);
  bindKv(*step, kvTensors(0, rows));
  return *step;
}

/** For `count` rows: in host memory those of all places, where the graph finds rows by their numbers. */
const Stepper::KvTensors& Stepper::kvTensors(std::size_t firstRow, std::size_t count) {
  const bool all = device_ == nullptr;
  const std::size_t first = all ? 0 : kv_.place(firstRow);
  const std::size_t places = all ? limits_.rows : count;
  const auto known = kvTensors_.find({first, places});
  if (known != kvTensors_.end()) return known->second;

  const ElementType type = form_.kvElementBytes == 2 ? ElementType::float16 : ElementType::float32;
  const auto tensor = [&](const KvBlock& block) {
    const std::vector<std::int64_t> shape =
        form_.separateHeads
            ? std::vector<std::int64_t>{dim(places), dim(shape_.heads), dim(block.capacity), dim(shape_.headSize)}
            : std::vector<std::int64_t>{dim(places), dim(block.capacity), dim(shape_.width)};
    return session_.deviceTensor(block.data, type, shape);
  };
  KvTensors kv;
  for (std::size_t layer = 0; layer < shape_.layers; layer++) {
    kv.keys.push_back(tensor(kv_.keys(layer, first)));
    kv.values.push_back(tensor(kv_.values(layer, first)));
  }
  return kvTensors_.emplace(std::pair(first, places), std::move(kv)).first->second;
}

void Stepper::bindInputs(BoundStep& step, std::size_t rows, std::size_t tokensPerRow, std::size_t logitsRows) {
  const auto bind = [&](const char* name, Handle<OrtValue> tensor) {
    step.tensors.push_back(std::move(tensor));
    step.binding.input(name, step.tensors.back().get());
  };
  const auto shared = [&](std::size_t offset, ElementType type, const std::vector<std::int64_t>& shape) {
    return session_.deviceTensor(inputs_.graphSide(offset), type, shape);
  };
  const InputOffsets at(tokens_, limits_.rows);
  bind(GraphNames::inputIds, shared(at.ids, ElementType::int64, {dim(rows), dim(tokensPerRow)}));
  bind(GraphNames::positionIds, shared(at.positions, ElementType::int64, {dim(rows), dim(tokensPerRow)}));
  if (device_ == nullptr)
    bind(GraphNames::kvRows, shared(at.kvRows, ElementType::int32, {dim(rows)}));
  bind(GraphNames::seqlensK, shared(at.seqlens, ElementType::int32, {dim(rows)}));
  bind(GraphNames::totalSequenceLength, session_.tensor(&totalSequenceLength_, ElementType::int32, {}));
  bind(GraphNames::logitsIndex, shared(at.logitsIndex, ElementType::int64, {dim(logitsRows)}));
}

void Stepper::bindLogits(BoundStep& step, std::size_t rows) {
  provideLogits();
  bindOutput(step, GraphNames::logits, logits_->graphSide(0), ElementType::float32,
             {dim(rows), dim(shape_.vocabularySize)});
  const std::size_t count = form_.candidates;
  if (count == 0) return;
  const CandidateOffsets at(rows, count);
  bindOutput(step, GraphNames::topIds, candidates_->graphSide(at.tokens), ElementType::int32, {dim(rows), dim(count)});
  bindOutput(step, GraphNames::topLogits, candidates_->graphSide(at.logits), ElementType::float32,
             {dim(rows), dim(count)});
  bindOutput(step, GraphNames::topLogprob, candidates_->graphSide(at.logprobs), ElementType::float32, {dim(rows), 1});
}

void Stepper::bindHidden(BoundStep& step, std::size_t tokens) {
  if (!hidden_) hidden_.emplace(session_, device_, chunkTokens * shape_.width * sizeof(float));
  bindOutput(step, GraphNames::hidden, hidden_->graphSide(0), ElementType::float32,
             {1, dim(tokens), dim(shape_.width)});
}

void Stepper::bindKv(BoundStep& step, const KvTensors& kv) {
  for (std::size_t layer = 0; layer < shape_.layers; layer++) {
    OrtValue* keys = kv.keys[layer].get();
    OrtValue* values = kv.values[layer].get();
    step.binding.input(names_.pastKey(layer), keys);
    step.binding.input(names_.pastValue(layer), values);
    if (device_ == nullptr) continue;  // CachedAttention writes the new positions where they belong
    // Past and present are the same tensor, so the graph's attention writes the new positions only, in place.
    step.binding.output(names_.presentKey(layer), keys);
    step.binding.output(names_.presentValue(layer), values);
  }
}

void Stepper::bindOutput(BoundStep& step, const char* name, std::byte* data, ElementType type,
                         const std::vector<std::int64_t>& shape) {
  step.tensors.push_back(session_.deviceTensor(data, type, shape));
  step.binding.output(name, step.tensors.back().get());
}

}  // namespace inhouse
