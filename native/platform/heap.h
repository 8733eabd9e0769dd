// What the process frees, and keeps.
#pragma once

namespace inhouse {

/**
 * When it goes, freed memory goes back to the system. glibc keeps what it holds in pieces of the size of a weight: after a
 * few models hundreds of megabytes, of no use to anyone.
 */
struct HeapReturn {
  HeapReturn() = default;
  ~HeapReturn();
  HeapReturn(const HeapReturn&) = delete;
  HeapReturn& operator=(const HeapReturn&) = delete;
};

}  // namespace inhouse
