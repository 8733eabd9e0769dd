// Runs the graph over rows of the KV arena: one new token for each of the first n rows, or a chunk of one row.
// All memory that a steady decode step touches is allocated before it; the caller keeps lengths and decides.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "../kv/kv_arena.h"
#include "../model_shape.h"
#include "../ort/session.h"
#include "graph_names.h"

namespace inhouse {

/** Prompt tokens per run: long enough to fill the matrix units, short enough to bound the activations' memory. */
inline constexpr std::size_t chunkTokens = 256;

/** One new token of one row. */
struct DecodeInput {
  std::int32_t token;
  /** KV positions that the row holds already. */
  std::size_t past;
};

/** S new tokens of one row. */
struct ChunkInput {
  std::size_t row;
  const std::int32_t* tokens;  // [S]
  std::size_t count;           // S, at most chunkTokens
  std::size_t past;
  /** Where to put the logits of the last `logitsRows` tokens, [logitsRows, V]. */
  float* logits = nullptr;
  std::size_t logitsRows = 0;
  /** Where to put the final hidden states, [S, D]; null when they are not wanted. */
  float* hidden = nullptr;
};

class Stepper {
 public:
  /** Decodes at most `maxRows` rows at once. The session and the arena must outlive the stepper. */
  Stepper(Session& session, const KvArena& arena, const ModelShape& shape, std::size_t maxRows);

  /**
   * Appends inputs[r].token to row r, for r < n: returns logits [n, V], valid until the next call.
   * Throws a Failure (INHOUSE_RUNTIME_STEP).
   */
  const float* decode(const std::vector<DecodeInput>& inputs);

  /** Appends a chunk to its row. Throws a Failure (INHOUSE_RUNTIME_STEP). */
  void append(const ChunkInput& chunk);

 private:
  /** The K and V of neighbouring rows, all layers. The graph reads and updates them where they are. */
  struct KvView {
    std::vector<Handle<OrtValue>> keys, values;  // [layers] of [count, heads, capacity, headSize]
  };
  /** A binding with the tensors that it refers to. */
  struct BoundStep {
    Binding binding;
    std::vector<Handle<OrtValue>> tensors;
    KvView kv;
  };

  KvView view(std::size_t firstRow, std::size_t count) const;
  std::unique_ptr<BoundStep> bindDecode(std::size_t rows);
  void bindInputs(BoundStep& step, std::size_t rows, std::size_t tokensPerRow, std::size_t logitsRows);
  void bindOutput(BoundStep& step, const char* name, float* data, const std::vector<std::int64_t>& shape);
  void bindKv(BoundStep& step, const KvView& kv);

  Session& session_;
  const KvArena& arena_;
  ModelShape shape_;
  GraphNames names_;
  std::vector<std::int64_t> inputIds_;     // [B, S]
  std::vector<std::int64_t> positionIds_;  // [B, S]
  std::vector<std::int32_t> seqlensK_;     // [B]
  std::int32_t totalSequenceLength_ = 0;
  std::vector<std::int64_t> logitsIndex_;  // [K]
  std::vector<float> logits_;              // [maxRows, V]
  std::vector<std::unique_ptr<BoundStep>> decodeSteps_;  // by number of rows, made on first use
  std::vector<std::unique_ptr<KvView>> rowViews_;        // by row, made on first use
};

}  // namespace inhouse
