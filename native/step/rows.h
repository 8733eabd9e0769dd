// The rows of a runner: what each holds, who may use it, and the steps over them.
// Numbers come from JavaScript as they are and are checked here; the same checks as src/runtime/portable/rows.ts.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "../kv/kv_store.h"
#include "../model_shape.h"
#include "../sampling/sampler.h"
#include "stepper.h"

namespace inhouse {

using Tokens = std::vector<std::int32_t>;

struct RowOptions {
  double capacity;  // KV positions
  SamplingSettings sampling;
  Tokens prompt;
  Tokens output;
};

struct RunnerStatistics {
  std::size_t rowsOpen;
  std::size_t rowsOpenPeak;
  std::size_t bytesPerToken;
  std::size_t tokensHeld;
  std::size_t tokensHeldPeak;
  KvFigures kv;
  std::uint64_t prefillTokens;
  std::uint64_t decodeSteps;
  std::uint64_t decodeTokens;
};

/** Every method throws a Failure and then leaves all rows as they were. */
class Rows {
 public:
  /** The stepper and the store must outlive the rows. */
  Rows(Stepper& stepper, KvStore& kv, const ModelShape& shape, std::size_t maxRows);

  void open(double row, RowOptions options);
  std::optional<TokenChoice> prefill(double row, const Tokens& tokens, bool sample);
  /** The choices of each row, oldest first. */
  std::vector<std::vector<TokenChoice>> decode(double rows, double steps);
  void move(double from, double to);
  void copyPrefix(double from, double to, double length);
  void truncate(double row, double length);
  void close(double row);
  RunnerStatistics statistics() const;

 private:
  struct Row {
    std::size_t capacity;
    Sampler sampler;
    /** KV positions held. */
    std::size_t length = 0;
    /** Sampled, not yet in the KV cache. */
    std::optional<std::int32_t> pending;
  };

  std::size_t inRange(double row) const;
  std::size_t opened(double row) const;
  std::size_t freed(double row) const;
  void checkRoom(std::size_t row, std::size_t tokens) const;
  /** Provides memory for `positions` of a row, or throws INHOUSE_RUNTIME_STEP. */
  void provide(std::size_t row, std::size_t positions);
  void decodeOnce(std::size_t count, std::vector<std::vector<TokenChoice>>& choices);
  TokenChoice choose(std::size_t row);
  bool anyEnded(std::size_t count) const;
  void fitMemory(std::size_t row);
  std::size_t rowsOpen() const;
  std::size_t tokensHeld() const;
  void notePeaks();

  Stepper& stepper_;
  KvStore& kv_;
  ModelShape shape_;
  std::vector<std::optional<Row>> rows_;
  std::vector<DecodeInput> decodeInputs_;
  SamplingScratch scratch_;
  std::size_t rowsOpenPeak_ = 0;
  std::size_t tokensHeldPeak_ = 0;
  std::uint64_t prefillTokens_ = 0;
  std::uint64_t decodeSteps_ = 0;
  std::uint64_t decodeTokens_ = 0;
};

}  // namespace inhouse
