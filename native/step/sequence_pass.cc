// Scoring and embedding, chunk by chunk.
#include "sequence_pass.h"

#include <algorithm>
#include <cmath>

#include "../failure.h"
#include "../sampling/ranking.h"

namespace inhouse {
namespace {

/** Positions whose logits are computed at once: 64 * 50 257 floats are 13 MB. */
constexpr std::size_t scoreTokens = 64;

/** Gives the spare row's memory back, however the pass ends. */
class BorrowedRow {
 public:
  BorrowedRow(KvArena& arena, std::size_t row, std::size_t positions) : arena_(arena), row_(row) {
    try {
      arena_.resize(row, positions);
    } catch (const std::runtime_error& error) {
      throw Failure(code::runtimeStep, std::string("No memory for the KV positions: ") + error.what());
    }
  }
  ~BorrowedRow() { arena_.resize(row_, 0); }
  BorrowedRow(const BorrowedRow&) = delete;
  BorrowedRow& operator=(const BorrowedRow&) = delete;

 private:
  KvArena& arena_;
  std::size_t row_;
};

}  // namespace

SequencePass::SequencePass(Stepper& stepper, KvArena& arena, const ModelShape& shape, std::size_t row)
    : stepper_(stepper), arena_(arena), shape_(shape), row_(row) {}

void SequencePass::score(const std::vector<std::int32_t>& tokens, std::size_t from, const ScoreOutput& output) {
  const std::size_t vocabulary = shape_.vocabularySize;
  const std::size_t positions = tokens.size() - 1;  // the last one predicts nothing we know
  const BorrowedRow borrowed(arena_, row_, positions);
  std::vector<float> ownLogits(output.logits ? 0 : std::min(scoreTokens, positions) * vocabulary);
  Ranking<float> ranking;

  for (std::size_t begin = 0; begin < positions; begin += scoreTokens) {
    ChunkInput chunk;
    chunk.row = row_;
    chunk.tokens = tokens.data() + begin;
    chunk.count = std::min(scoreTokens, positions - begin);
    chunk.past = begin;
    const std::size_t end = begin + chunk.count;
    const std::size_t first = std::max(begin, from - 1);  // the logits at position p predict token p + 1
    chunk.logitsRows = first < end ? end - first : 0;
    chunk.logits = output.logits && chunk.logitsRows > 0 ? output.logits + (first + 1 - from) * vocabulary
                                                         : ownLogits.data();
    stepper_.append(chunk);

    for (std::size_t row = 0; row < chunk.logitsRows; row++) {
      const float* logits = chunk.logits + row * vocabulary;
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
  const BorrowedRow borrowed(arena_, row_, tokens.size());
  std::vector<float> hidden(std::min(chunkTokens, tokens.size()) * shape_.width);
  std::vector<double> sum(shape_.width, 0.0);
  const std::size_t first = mean ? 0 : tokens.size() - 1;

  for (std::size_t begin = 0; begin < tokens.size(); begin += chunkTokens) {
    ChunkInput chunk;
    chunk.row = row_;
    chunk.tokens = tokens.data() + begin;
    chunk.count = std::min(chunkTokens, tokens.size() - begin);
    chunk.past = begin;
    chunk.hidden = hidden.data();
    stepper_.append(chunk);
    for (std::size_t i = 0; i < chunk.count; i++) {
      if (begin + i < first) continue;
      for (std::size_t d = 0; d < shape_.width; d++) sum[d] += hidden[i * shape_.width + d];
    }
  }
  const auto visited = static_cast<double>(tokens.size() - first);
  for (std::size_t d = 0; d < shape_.width; d++) result[d] = static_cast<float>(sum[d] / visited);
}

}  // namespace inhouse
