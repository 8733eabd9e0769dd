// A shared library opened by path or name, and never closed: ONNX Runtime keeps threads and thread-local destructors,
// so unmapping its code while the process lives is not safe. Opening it again costs nothing.
#pragma once

#include <string>

namespace inhouse {

class DynamicLibrary {
 public:
  /** The system's loader reuses a file that is mapped already. Throws std::runtime_error with the loader's message. */
  explicit DynamicLibrary(const std::string& path);

  /** The address of an exported symbol, or nullptr. */
  void* find(const char* symbol) const;

  template <class Function>
  Function find(const char* symbol) const {
    return reinterpret_cast<Function>(find(symbol));
  }

 private:
  void* handle_;
};

}  // namespace inhouse
