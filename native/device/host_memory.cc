#include "host_memory.h"

#include <cstring>
#include <new>

namespace inhouse {

void* HostMemory::allocateHost(std::size_t bytes) { return ::operator new(bytes); }

void HostMemory::freeHost(void* memory) noexcept { ::operator delete(memory); }

void HostMemory::copyIn(std::byte* to, const std::byte* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

void HostMemory::copyOut(std::byte* to, const std::byte* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

void HostMemory::copyWithin(const StridedCopy& copy) {
  for (std::size_t row = 0; row < copy.rows; row++)
    std::memcpy(copy.to + row * copy.toPitch, copy.from + row * copy.fromPitch, copy.rowBytes);
}

void HostMemory::zero(std::byte* at, std::size_t bytes) { std::memset(at, 0, bytes); }

}  // namespace inhouse
