// Libraries and memory on Linux and macOS.
#ifndef _WIN32

#include <dlfcn.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "dynamic_library.h"
#include "heap.h"
#include "mapped_file.h"
#include "reserved_memory.h"

namespace inhouse {

DynamicLibrary::DynamicLibrary(const std::string& path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) throw std::runtime_error(dlerror());
}

void* DynamicLibrary::find(const char* symbol) const { return dlsym(handle_, symbol); }

HeapReturn::~HeapReturn() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

ReservedMemory::ReservedMemory(std::size_t bytes) : data_(nullptr), size_(bytes) {
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* address = mmap(nullptr, bytes + pageSize(), PROT_READ | PROT_WRITE, flags, -1, 0);
  if (address == MAP_FAILED)
    throw std::runtime_error("cannot reserve " + std::to_string(bytes) + " bytes: " + std::strerror(errno));
  data_ = static_cast<std::byte*>(address);
  mprotect(data_ + bytes, pageSize(), PROT_NONE);  // the next range cannot be reached from this one
#ifdef MADV_NOHUGEPAGE
  // A huge page would back the heads of a whole row as soon as its first token is written, and could only be given
  // back with all of them. Huge pages would make attention over 900 positions 2 to 6 % faster, a step about 1 %.
  madvise(address, bytes, MADV_NOHUGEPAGE);
#endif
}

ReservedMemory::~ReservedMemory() { munmap(data_, size_ + pageSize()); }

void ReservedMemory::commit(std::size_t, std::size_t) {}  // the first write to a page does it

void ReservedMemory::release(std::size_t offset, std::size_t bytes) noexcept {
#ifdef __linux__
  madvise(data_ + offset, bytes, MADV_DONTNEED);
#else
  // MADV_DONTNEED is only a hint elsewhere; a fresh mapping in its place is not.
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
  mmap(data_ + offset, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
#endif
}

void ReservedMemory::preferHugePages() noexcept {
#ifdef MADV_HUGEPAGE
  madvise(data_, size_, MADV_HUGEPAGE);
#endif
}

#ifdef __linux__
namespace {

/** Whether all of [begin, end) lies in one private mapping of a file: pages of anything else would come back as zeros. */
bool isMappedFile(std::uintptr_t begin, std::uintptr_t end) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> maps(std::fopen("/proc/self/maps", "re"), std::fclose);
  if (maps == nullptr) return false;
  char line[4352];  // a path is at most 4096 long
  while (std::fgets(line, sizeof line, maps.get()) != nullptr) {
    std::uintptr_t first, last;
    char permissions[5];
    unsigned long inode;
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %lu", &first, &last, permissions, &inode) != 4) continue;
    if (first <= begin && begin < last) return end <= last && permissions[3] == 'p' && inode != 0;
  }
  return false;
}

}  // namespace

void releaseMappedPages(const void* data, std::size_t bytes) noexcept {
  const std::uintptr_t page = ReservedMemory::pageSize();
  const std::uintptr_t begin = reinterpret_cast<std::uintptr_t>(data) / page * page;
  const std::uintptr_t end = (reinterpret_cast<std::uintptr_t>(data) + bytes + page - 1) / page * page;
  if (isMappedFile(begin, end)) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}
#else
void releaseMappedPages(const void*, std::size_t) noexcept {}  // the system takes clean pages when it needs them
#endif

std::size_t ReservedMemory::pageSize() { return static_cast<std::size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace inhouse

#endif
