// A range of address space whose pages get memory when they are written and can give it back one by one.
#pragma once

#include <cstddef>

namespace inhouse {

class ReservedMemory {
 public:
  /** Whole pages. Throws std::runtime_error when the address space is not to be had. */
  explicit ReservedMemory(std::size_t bytes);
  ~ReservedMemory();
  ReservedMemory(const ReservedMemory&) = delete;
  ReservedMemory& operator=(const ReservedMemory&) = delete;

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

  /** Makes whole pages writable (they are zero). Throws std::runtime_error when the system has no memory left. */
  void commit(std::size_t offset, std::size_t bytes);

  /** Gives the memory of whole pages back. Where the system refuses, because it is locked, they just keep it. */
  void release(std::size_t offset, std::size_t bytes) noexcept;

  /** For memory that is committed whole: fewer, larger pages where the system has them. */
  void preferHugePages() noexcept;

  static std::size_t pageSize();

 private:
  std::byte* data_;
  std::size_t size_;
};

}  // namespace inhouse
