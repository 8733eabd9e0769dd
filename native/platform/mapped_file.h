// Files that something else has mapped into memory.
#pragma once

#include <cstddef>

namespace inhouse {

/**
 * Says that this part of memory is not read again soon. Where it is a file mapped read-only or privately, and unchanged
 * since, its pages leave the process's memory until they are read again; other memory is left as it is.
 */
void releaseMappedPages(const void* data, std::size_t bytes) noexcept;

}  // namespace inhouse
