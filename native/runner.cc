// How a runner's parts are put together, and what is said when there is no memory for them.
#include "runner.h"

#include <exception>
#include <string>

#include "failure.h"

namespace inhouse {

std::unique_ptr<Runner> Runner::open(const RunnerOptions& options) {
  try {
    return std::make_unique<Runner>(options);
  } catch (const Failure&) {
    throw;
  } catch (const std::exception& error) {
    throw Failure(code::runtimeLoad, "Cannot set aside memory for " + std::to_string(options.maxRows) +
                                         " KV rows: " + error.what() + ". Fewer rows need less.");
  }
}

Runner::Runner(const RunnerOptions& options)
    : session_(options.session),
      arena_({options.shape.layers, options.maxRows + 1, options.shape.heads, options.shape.headSize,
              options.shape.contextLength, sizeof(float)}),
      stepper_(session_, arena_, options.shape, options.maxRows),
      rows_(stepper_, arena_, options.shape, options.maxRows),
      pass_(stepper_, arena_, options.shape, options.maxRows) {}

}  // namespace inhouse
