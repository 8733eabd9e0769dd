// How fast memory can be read: the yardstick that a decode step, which reads all weights once, is held against.
#pragma once

namespace inhouse {

/**
 * Bytes per second that `threads` threads, the calling one included, read together from memory no cache holds: the
 * median of several passes over half a gigabyte. Takes about a second. Throws std::bad_alloc, std::system_error.
 */
double measureReadBandwidth(int threads);

}  // namespace inhouse
