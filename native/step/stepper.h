// Runs the graph over rows of a KV store: one new token for each of the first n rows, or a chunk of one row.
// All memory that a steady decode step touches is allocated before it, at addresses that stay; the caller keeps lengths
// and decides. Results are valid until the next step.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../kv/kv_store.h"
#include "../model_shape.h"
#include "../ort/session.h"
#include "../sampling/row_logits.h"
#include "graph_names.h"
#include "step_buffer.h"

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
  /** The last so many tokens get logits. */
  std::size_t logitsRows = 0;
  /** The final hidden states are wanted. */
  bool hidden = false;
};

/** The most of a step. The KV store has as many rows. */
struct StepLimits {
  std::size_t rows;
  std::size_t logitsRows;
};

class Stepper {
 public:
  /** `device` is null where the graph computes in host memory. What is referred to must outlive the stepper. */
  Stepper(Session& session, DeviceMemory* device, const KvStore& kv, const ModelShape& shape, const GraphForm& form,
          const StepLimits& limits);

  /** Provides memory for logits now, else the first step that has some does. Throws a std::runtime_error. */
  void provideLogits();

  /** Appends inputs[r].token to row r, for r < n; gives n rows of logits. Throws a Failure (INHOUSE_RUNTIME_STEP). */
  void decode(const std::vector<DecodeInput>& inputs);

  /** Appends a chunk to its row. Throws a Failure (INHOUSE_RUNTIME_STEP). */
  void append(const ChunkInput& chunk);

  /** One row of the last step's logits. */
  RowLogits rowLogits(std::size_t row);

  /** The first `rows` rows of the last step's logits, [rows, V]. */
  const float* logits(std::size_t rows);

  /** Bytes of results that came from a device, since the beginning. */
  std::uint64_t fetchedBytes() const { return fetchedBytes_; }

  /** The hidden states of the last step's `count` tokens, [count, D]. */
  const float* hidden(std::size_t count);

 private:
  /** The K and V of neighbouring places, all layers. The graph reads and updates them where they are. */
  struct KvTensors {
    std::vector<Handle<OrtValue>> keys, values;  // [layers] of [count, heads, capacity, headSize]
  };
  /** A binding with the tensors that it refers to. */
  struct BoundStep {
    Binding binding;
    std::vector<Handle<OrtValue>> tensors;
    int cudaGraph = Session::noGraph;
  };

  void fillDecode(const std::vector<DecodeInput>& inputs, std::size_t rows);
  std::size_t rowsOfGraph(std::size_t rows) const;
  bool runAsGraph(std::size_t rows);
  void followKv();
  void fetch(StepBuffer& buffer, std::size_t offset, std::size_t bytes);
  BoundStep& decodeStep(std::size_t rows);
  const KvTensors& kvTensors(std::size_t firstRow, std::size_t count);
  void bindInputs(BoundStep& step, std::size_t rows, std::size_t tokensPerRow, std::size_t logitsRows);
  void bindLogits(BoundStep& step, std::size_t rows);
  void bindHidden(BoundStep& step, std::size_t tokens);
  void bindKv(BoundStep& step, const KvTensors& kv);
  void bindOutput(BoundStep& step, const char* name, std::byte* data, ElementType type,
                  const std::vector<std::int64_t>& shape);

  Session& session_;
  DeviceMemory* device_;
  const KvStore& kv_;
  ModelShape shape_;
  GraphForm form_;
  StepLimits limits_;
  GraphNames names_;

  std::size_t tokens_;  // the most of a step
  StepBuffer inputs_;   // ids, positions, logits index: [tokens_] int64 each; seqlens, KV rows: [limits_.rows] int32
  std::int32_t totalSequenceLength_ = 0;  // stays on the host: the graph's kernels read it there
  std::optional<StepBuffer> logits_;      // [limits_.logitsRows, V] float32
  std::optional<StepBuffer> candidates_;  // of K rows: tokens [K, C] int32, logits [K, C] float32, logprob [K] float32
  std::optional<StepBuffer> hidden_;      // [chunkTokens, D] float32, made when it is first wanted
  std::size_t logitsRows_ = 0;            // K of the last step
  bool candidatesFetched_ = false;
  std::uint64_t fetchedBytes_ = 0;

  std::uint64_t kvGeneration_ = 0;
  std::size_t kvCapacity_ = 0;                           // positions that every block has
  int cudaGraphs_ = 0;                                   // numbers given
  std::vector<std::unique_ptr<BoundStep>> decodeSteps_;  // by number of rows, made on first use
  std::map<std::pair<std::size_t, std::size_t>, KvTensors> kvTensors_;  // by first place and count, made on first use
};

}  // namespace inhouse
