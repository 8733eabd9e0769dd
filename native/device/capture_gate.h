// While CUDA captures a graph, most calls of any other thread of the process would fail and spoil the capture. So every
// call to CUDA is made with this gate held: shared, or alone for a run that captures. Never twice by one thread.
#pragma once

#include <shared_mutex>

namespace inhouse {

/** One for the process, because the rule is one of the process, whichever runner or worker thread calls. */
inline std::shared_mutex& captureGate() {
  static std::shared_mutex gate;
  return gate;
}

}  // namespace inhouse
