// How fast a GPU moves its own memory: the yardstick that a decode step on it, which reads all weights once, is held
// against.
#pragma once

#include <cstddef>

namespace inhouse {

/**
 * Bytes read plus bytes written per second of a copy of `bytes` from one block of the GPU to another: the median of
 * `repetitions`, after one that does not count. Throws a Failure (INHOUSE_RUNTIME_LOAD, INHOUSE_RUNTIME_STEP).
 */
double measureCopyBandwidth(int deviceId, std::size_t bytes, int repetitions);

}  // namespace inhouse
