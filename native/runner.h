// One loaded model: session, KV, rows and passes. Belongs to one thread, apart from `terminate`.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "device/device_memory.h"
#include "kv/kv_store.h"
#include "model_shape.h"
#include "ort/session.h"
#include "platform/heap.h"
#include "step/rows.h"
#include "step/sequence_pass.h"
#include "step/stepper.h"

namespace inhouse {

struct RunnerOptions {
  SessionOptions session;
  ModelShape shape;
  GraphForm form;
  std::size_t maxRows;
};

/** DeviceStatistics of src/runtime/runner.ts. */
struct DeviceStatistics {
  DeviceFigures memory;
  std::uint64_t inUseBytes = 0;
  std::uint64_t inUsePeakBytes = 0;
  std::uint64_t heldBytes = 0;
  std::optional<std::uint64_t> limitBytes;
  std::uint64_t weightBytes = 0;
  std::uint64_t fetchedBytes = 0;
  std::string cudaGraphs;
};

class Runner {
 public:
  /** Throws a Failure (INHOUSE_RUNTIME_LOAD). */
  static std::unique_ptr<Runner> open(const RunnerOptions& options);

  explicit Runner(const RunnerOptions& options);
  ~Runner();

  Rows& rows() { return rows_; }
  SequencePass& pass() { return pass_; }
  const Session& session() const { return session_; }

  /** Of a runner that keeps its rows on a device. */
  std::optional<DeviceStatistics> deviceStatistics() const;

  /** From any thread: makes the call in progress, and every later one, fail soon. */
  void terminate() { session_.terminate(); }

 private:
  std::unique_ptr<KvStore> makeKv(const RunnerOptions& options, std::size_t rows);
  std::uint64_t allocatorFigure(const char* name) const;

  HeapReturn heapReturn_;  // first, so that it goes last
  Session session_;
  std::unique_ptr<DeviceMemory> device_;  // null where the graph computes in host memory
  std::uint64_t weightBytes_;
  std::unique_ptr<KvStore> rowsKv_;
  std::unique_ptr<KvStore> passKv_;
  Stepper rowsStepper_;
  Stepper passStepper_;
  Rows rows_;
  SequencePass pass_;
};

}  // namespace inhouse
