// How a runner's parts are put together, and what is said when there is no memory for them.
#include "runner.h"

#include <algorithm>
#include <cstdlib>
#include <exception>

#include "device/cuda_memory.h"
#include "device/host_memory.h"
#include "failure.h"
#include "kv/device_kv.h"
#include "kv/host_kv.h"

namespace inhouse {
namespace {

std::unique_ptr<DeviceMemory> openDevice(const SessionOptions& options) {
  if (options.device.empty()) return nullptr;
  if (options.device == "cuda") return std::make_unique<CudaMemory>(options.deviceId);
  return std::make_unique<HostMemory>();
}

KvShape kvShape(const RunnerOptions& options, std::size_t rows) {
  const auto& [shape, form] = std::tie(options.shape, options.form);
  const std::size_t heads = form.separateHeads ? shape.heads : 1;
  return {shape.layers, rows, heads, shape.width / heads, shape.contextLength, form.kvElementBytes};
}

}  // namespace

std::unique_ptr<Runner> Runner::open(const RunnerOptions& options) {
  try {
    return std::make_unique<Runner>(options);
  } catch (const Failure& failure) {
    if (failure.code() == std::string(code::runtimeLoad)) throw;
    throw Failure(code::runtimeLoad, std::string("Cannot set aside memory for a step: ") + failure.what());
  } catch (const std::exception& error) {
    throw Failure(code::runtimeLoad, "Cannot set aside memory for " + std::to_string(options.maxRows) +
                                         " KV rows: " + error.what() + ". Fewer rows need less.");
  }
}

Runner::Runner(const RunnerOptions& options)
    : session_(options.session),
      device_(openDevice(options.session)),
      weightBytes_(allocatorFigure("InUse")),
      rowsKv_(makeKv(options, options.maxRows)),
      passKv_(makeKv(options, 1)),
      rowsStepper_(session_, device_.get(), *rowsKv_, options.shape, options.form, {options.maxRows, options.maxRows}),
      passStepper_(session_, device_.get(), *passKv_, options.shape, options.form, {1, scoreTokens}),
      rows_(rowsStepper_, *rowsKv_, options.shape, options.maxRows),
      pass_(passStepper_, *passKv_, options.shape) {
  rowsStepper_.provideLogits();  // a model that is loaded can decode
}

Runner::~Runner() {
  if (!session_.hasCapturedGraphs()) return;
  try {
    device_->synchronise();
  } catch (const Failure&) {
    session_.abandon();
  }
}

std::unique_ptr<KvStore> Runner::makeKv(const RunnerOptions& options, std::size_t rows) {
  const KvShape shape = kvShape(options, rows);
  if (!device_) return std::make_unique<HostKv>(shape);
  // A graph is captured with the addresses of its blocks: what comes and goes would have it captured again and again.
  return std::make_unique<DeviceKv>(session_, *device_, shape, session_.capturesGraphs());
}

std::optional<DeviceStatistics> Runner::deviceStatistics() const {
  if (!device_) return std::nullopt;
  DeviceStatistics statistics;
  statistics.memory = device_->figures();
  statistics.inUseBytes = allocatorFigure("InUse");
  statistics.inUsePeakBytes = allocatorFigure("MaxInUse");
  statistics.heldBytes = allocatorFigure("TotalAllocated");
  const std::uint64_t limit = allocatorFigure("Limit");
  if (limit > 0 && limit < std::uint64_t{1} << 53) statistics.limitBytes = limit;
  statistics.weightBytes = weightBytes_;
  statistics.fetchedBytes = rowsStepper_.fetchedBytes() + passStepper_.fetchedBytes();
  statistics.cudaGraphs = session_.graphState();
  return statistics;
}

std::uint64_t Runner::allocatorFigure(const char* name) const {
  const auto figures = session_.allocatorStatistics();
  const auto figure = figures.find(name);
  return figure == figures.end() ? 0 : std::strtoull(figure->second.c_str(), nullptr, 10);
}

}  // namespace inhouse
