#include "cuda_driver.h"

#include <stdexcept>

#include "../failure.h"
#include "../platform/dynamic_library.h"

namespace inhouse {
namespace {

#ifdef _WIN32
constexpr const char* driverLibrary = "nvcuda.dll";
#else
constexpr const char* driverLibrary = "libcuda.so.1";
#endif

}  // namespace

CudaDriver::CudaDriver() {
  try {
    const DynamicLibrary library(driverLibrary);
#define INHOUSE_FILL(symbol, name, parameters)               \
  name = library.find<cuda::Result(*) parameters>(#symbol); \
  if (name == nullptr) throw std::runtime_error("it lacks " #symbol);
    INHOUSE_CUDA_FUNCTIONS(INHOUSE_FILL)
#undef INHOUSE_FILL
  } catch (const std::runtime_error& error) {
    throw Failure(code::runtimeLoad,
                  std::string("CUDA's driver, ") + driverLibrary + ", is not usable: " + error.what());
  }
  if (const cuda::Result result = initialise(0); result != cuda::success)
    throw Failure(code::runtimeLoad, "CUDA's driver does not start: " + describe(result) + ".");
}

std::string CudaDriver::describe(cuda::Result result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (errorName(result, &name) != cuda::success || name == nullptr) return "CUDA error " + std::to_string(result);
  if (errorText(result, &text) != cuda::success || text == nullptr) return name;
  return std::string(name) + " (" + text + ")";
}

}  // namespace inhouse
