// Libraries and memory on Windows.
#ifdef _WIN32

#include <windows.h>

#include <stdexcept>
#include <string>

#include "dynamic_library.h"
#include "heap.h"
#include "mapped_file.h"
#include "reserved_memory.h"
#include "wide_text.h"

namespace inhouse {
namespace {

std::runtime_error lastError(const std::string& what) {
  return std::runtime_error(what + ": Windows error " + std::to_string(GetLastError()));
}

}  // namespace

HeapReturn::~HeapReturn() = default;  // the system's heap does so by itself

DynamicLibrary::DynamicLibrary(const std::string& path) : handle_(nullptr) {
  const std::wstring wide = wideText(path);
  const bool isPath = path.find_first_of("/\\") != std::string::npos;
  // A library given by path finds its own dependencies beside itself.
  const DWORD search = isPath ? LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS
                              : LOAD_LIBRARY_SEARCH_SYSTEM32;
  handle_ = LoadLibraryExW(wide.c_str(), nullptr, search);
  if (handle_ == nullptr) throw lastError("cannot open " + path);
}

void* DynamicLibrary::find(const char* symbol) const {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), symbol));
}

ReservedMemory::ReservedMemory(std::size_t bytes)
    : data_(static_cast<std::byte*>(VirtualAlloc(nullptr, bytes, MEM_RESERVE, PAGE_READWRITE))), size_(bytes) {
  if (data_ == nullptr) throw lastError("cannot reserve " + std::to_string(bytes) + " bytes");
}

ReservedMemory::~ReservedMemory() { VirtualFree(data_, 0, MEM_RELEASE); }

void ReservedMemory::commit(std::size_t offset, std::size_t bytes) {
  if (VirtualAlloc(data_ + offset, bytes, MEM_COMMIT, PAGE_READWRITE) == nullptr)
    throw lastError("cannot commit " + std::to_string(bytes) + " bytes");
}

void ReservedMemory::release(std::size_t offset, std::size_t bytes) noexcept {
  VirtualFree(data_ + offset, bytes, MEM_DECOMMIT);
}

void ReservedMemory::preferHugePages() noexcept {}  // needs a privilege that few processes have

void releaseMappedPages(const void* data, std::size_t bytes) noexcept {
  // Of pages that are not locked it says so, and takes them out of the working set.
  VirtualUnlock(const_cast<void*>(data), bytes);
}

std::size_t ReservedMemory::pageSize() {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  return info.dwPageSize;
}

}  // namespace inhouse

#endif
