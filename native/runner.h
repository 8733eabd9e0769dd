// One loaded model: session, KV arena, rows and passes. Belongs to one thread, apart from `terminate`.
#pragma once

#include <memory>

#include "kv/kv_arena.h"
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
  std::size_t maxRows;
};

class Runner {
 public:
  /** Throws a Failure (INHOUSE_RUNTIME_LOAD). */
  static std::unique_ptr<Runner> open(const RunnerOptions& options);

  explicit Runner(const RunnerOptions& options);

  Rows& rows() { return rows_; }
  SequencePass& pass() { return pass_; }
  const Session& session() const { return session_; }

  /** From any thread: makes the call in progress, and every later one, fail soon. */
  void terminate() { session_.terminate(); }

 private:
  HeapReturn heapReturn_;  // first, so that it goes last
  Session session_;
  KvArena arena_;  // one row more than can be opened, for the pass
  Stepper stepper_;
  Rows rows_;
  SequencePass pass_;
};

}  // namespace inhouse
