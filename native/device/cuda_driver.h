// The part of CUDA's driver API that this addon calls, found in the driver's own library when it is wanted.
//
// Types, constants and signatures are facts of cuda.h; a test compares them with that header where a machine has it.
#pragma once

#include <cstddef>
#include <string>

namespace inhouse {

namespace cuda {
using Result = int;
using Device = int;
using Pointer = unsigned long long;  // an address of a device
using Context = struct CudaContext*;

inline constexpr Result success = 0;
inline constexpr int memoryTypeDevice = 2;

/** CUDA_MEMCPY2D */
struct Copy2D {
  std::size_t fromX = 0, fromY = 0;
  int fromType = memoryTypeDevice;
  const void* fromHost = nullptr;
  Pointer from = 0;
  void* fromArray = nullptr;
  std::size_t fromPitch = 0;
  std::size_t toX = 0, toY = 0;
  int toType = memoryTypeDevice;
  void* toHost = nullptr;
  Pointer to = 0;
  void* toArray = nullptr;
  std::size_t toPitch = 0;
  std::size_t width = 0;  // bytes
  std::size_t height = 0;
};
}  // namespace cuda

// F(exported symbol, name, parameters)
#define INHOUSE_CUDA_FUNCTIONS(F)                                                                        \
  F(cuInit, initialise, (unsigned flags))                                                                \
  F(cuGetErrorName, errorName, (cuda::Result, const char** name))                                        \
  F(cuGetErrorString, errorText, (cuda::Result, const char** text))                                      \
  F(cuDeviceGetCount, deviceCount, (int* count))                                                         \
  F(cuDeviceGet, device, (cuda::Device*, int ordinal))                                                   \
  F(cuDeviceGetName, deviceName, (char* name, int length, cuda::Device))                                 \
  F(cuDeviceGetPCIBusId, devicePciBusId, (char* id, int length, cuda::Device))                           \
  F(cuDevicePrimaryCtxRetain, retainContext, (cuda::Context*, cuda::Device))                             \
  F(cuDevicePrimaryCtxRelease_v2, releaseContext, (cuda::Device))                                        \
  F(cuCtxPushCurrent_v2, pushContext, (cuda::Context))                                                   \
  F(cuCtxPopCurrent_v2, popContext, (cuda::Context*))                                                    \
  F(cuCtxSynchronize, synchronise, ())                                                                   \
  F(cuMemGetInfo_v2, memoryInfo, (std::size_t * free, std::size_t* total))                               \
  F(cuMemAlloc_v2, allocate, (cuda::Pointer*, std::size_t bytes))                                        \
  F(cuMemFree_v2, free, (cuda::Pointer))                                                                 \
  F(cuMemHostAlloc, allocateHost, (void**, std::size_t bytes, unsigned flags))                           \
  F(cuMemFreeHost, freeHost, (void*))                                                                    \
  F(cuMemcpyHtoD_v2, copyIn, (cuda::Pointer to, const void* from, std::size_t bytes))                    \
  F(cuMemcpyDtoH_v2, copyOut, (void* to, cuda::Pointer from, std::size_t bytes))                         \
  F(cuMemcpyDtoD_v2, copyWithin, (cuda::Pointer to, cuda::Pointer from, std::size_t bytes))              \
  F(cuMemcpy2DUnaligned_v2, copy2D, (const cuda::Copy2D*))                                               \
  F(cuMemsetD8_v2, fill, (cuda::Pointer, unsigned char value, std::size_t bytes))

class CudaDriver {
 public:
  /** Opens the driver's library. Throws a Failure (INHOUSE_RUNTIME_LOAD) when there is none or it finds no GPU. */
  CudaDriver();

#define INHOUSE_DECLARE(symbol, name, parameters) cuda::Result(*name) parameters;
  INHOUSE_CUDA_FUNCTIONS(INHOUSE_DECLARE)
#undef INHOUSE_DECLARE

  /** Such as "CUDA_ERROR_OUT_OF_MEMORY (out of memory)". */
  std::string describe(cuda::Result result) const;
};

}  // namespace inhouse
