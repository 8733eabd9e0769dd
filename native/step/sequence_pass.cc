// Scoring and embedding, chunk by chunk.
#include "sequence_pass.h"

#include <algorithm>
#include <cmath>

#include "../failure.h"
#include "../sampling/ranking.h"

namespace inhouse {
namespace {

/** Row 0 with memory for some positions, given back however the pass ends. */
class BorrowedRow {
 public:
  BorrowedRow(KvStore& kv, std::size_t positions) : kv_(kv) {
    try {
      kv_.resize(0, positions);
    } catch (const Failure&) {
      throw;
    } catch (const std::runtime_error& error) {
      throw Failure(code::runtimeStep, std::string("No memory for the KV positions: ") + error.what());
    }
  }
  ~BorrowedRow() { kv_.resize(0, 0); }
  BorrowedRow(const BorrowedRow&) = delete;
  BorrowedRow& operator=(const BorrowedRow&) = delete;

 private:
  KvStore& kv_;
};

}  // namespace

void SequencePass::score(const std::vector<std::int32_t>& tokens, std::size_t from, const ScoreOutput& output) {
  const std::size_t vocabulary = shape_.vocabularySize;
  const std::size_t positions = tokens.size() - 1;  // the last one predicts nothing we know
  const BorrowedRow borrowed(kv_, positions);
  Ranking<float> ranking;

  for (std::size_t begin = 0; begin < positions; begin += scoreTokens) {
    ChunkInput chunk;
    chunk.row = 0;
    chunk.tokens = tokens.data() + begin;
    chunk.count = std::min(scoreTokens, positions - begin);
    chunk.past = begin;
    const std::size_t end = begin + chunk.count;
    const std::size_t first = std::max(begin, from - 1);  // the logits at position p predict token p + 1
    chunk.logitsRows = first < end ? end - first : 0;
    stepper_.append(chunk);
    if (chunk.logitsRows == 0) continue;

    const float* chunkLogits = stepper_.logits(chunk.logitsRows);  // [logitsRows, V]
    if (output.logits != nullptr)
      std::copy_n(chunkLogits, chunk.logitsRows * vocabulary, output.logits + (first + 1 - from) * vocabulary);
    for (std::size_t row = 0; row < chunk.logitsRows; row++) {
      const float* logits = chunkLogits + row * vocabulary;
      const std::size_t target = first + row + 1;
      ranking.rank(logits, vocabulary);
      const std::int32_t best = ranking.argmax();
      const double logTotal = logits[best] + std::log(sumOfExponentials(logits, vocabulary, logits[best]));
      output.argmax[target - from] = best;
      output.logprobs[target - from] = logits[tokens[target]] - logTotal;
    }
  }
}

void SequencePass::embed(const std::vector<std::int32_t>& tokens, bool mean, float* result) {
  const BorrowedRow borrowed(kv_, tokens.size());
  std::vector<double> sum(shape_.width, 0.0);
  const std::size_t first = mean ? 0 : tokens.size() - 1;

  for (std::size_t begin = 0; begin < tokens.size(); begin += chunkTokens) {
    ChunkInput chunk;
    chunk.row = 0;
    chunk.tokens = tokens.data() + begin;
    chunk.count = std::min(chunkTokens, tokens.size() - begin);
    chunk.past = begin;
    chunk.hidden = true;
    stepper_.append(chunk);
    const float* hidden = stepper_.hidden(chunk.count);  // [count, D]
    for (std::size_t i = 0; i < chunk.count; i++) {
      if (begin + i < first) continue;
      for (std::size_t d = 0; d < shape_.width; d++) sum[d] += hidden[i * shape_.width + d];
    }
  }
  const auto visited = static_cast<double>(tokens.size() - first);
  for (std::size_t d = 0; d < shape_.width; d++) result[d] = static_cast<float>(sum[d] / visited);
}

}  // namespace inhouse
