// The part of ONNX Runtime's C ABI that this addon calls: opaque types, the constants it passes, and numbered slots.
//
// OrtApi is a struct of function pointers that only ever grows at its end, so a slot number is valid for every library
// that accepts the API version asked for. Numbers and signatures: onnxruntime_c_api.h (MIT), header version 29.
#pragma once

#include <cstddef>
#include <cstdint>

struct OrtAllocator;
struct OrtCUDAProviderOptionsV2;
struct OrtCustomOp;
struct OrtCustomOpDomain;
struct OrtEnv;
struct OrtKernelContext;
struct OrtKernelInfo;
struct OrtKeyValuePairs;
struct OrtMemoryInfo;
struct OrtRunOptions;
struct OrtSession;
struct OrtSessionOptions;
struct OrtStatus;
struct OrtTensorTypeAndShapeInfo;
struct OrtValue;

namespace inhouse {

#ifdef _WIN32
using OrtPathChar = wchar_t;
#else
using OrtPathChar = char;
#endif

/** The oldest library that has all of the slots below: 1.23. */
inline constexpr std::uint32_t ortApiVersion = 23;

namespace ort {
inline constexpr int fail = 1;               // OrtErrorCode
inline constexpr int logError = 3;           // OrtLoggingLevel
inline constexpr int allocatorArena = 1;     // OrtAllocatorType
inline constexpr int inputRequired = 0;      // OrtCustomOpInputOutputCharacteristic
inline constexpr int inputOptional = 1;
inline constexpr int memoryDefault = 0;      // OrtMemType
inline constexpr int elementAny = 0;         // ONNXTensorElementDataType
inline constexpr int elementFloat = 1;
inline constexpr int elementUint8 = 2;
inline constexpr int elementInt32 = 6;
inline constexpr int elementInt64 = 7;
inline constexpr int elementFloat16 = 10;
}  // namespace ort

// F(slot, name, result, parameters)
#define INHOUSE_ORT_SLOTS(F)                                                                                          \
  F(0, CreateStatus, OrtStatus*, (int code, const char* message))                                                     \
  F(1, GetErrorCode, int, (const OrtStatus*))                                                                         \
  F(2, GetErrorMessage, const char*, (const OrtStatus*))                                                              \
  F(3, CreateEnv, OrtStatus*, (int logLevel, const char* logId, OrtEnv**))                                            \
  F(7, CreateSession, OrtStatus*, (const OrtEnv*, const OrtPathChar*, const OrtSessionOptions*, OrtSession**))        \
  F(9, Run, OrtStatus*,                                                                                               \
    (OrtSession*, const OrtRunOptions*, const char* const* inputNames, const OrtValue* const* inputs, std::size_t,    \
     const char* const* outputNames, std::size_t, OrtValue** outputs))                                                \
  F(10, CreateSessionOptions, OrtStatus*, (OrtSessionOptions**))                                                      \
  F(14, EnableProfiling, OrtStatus*, (OrtSessionOptions*, const OrtPathChar* filePrefix))                             \
  F(17, DisableMemPattern, OrtStatus*, (OrtSessionOptions*))                                                          \
  F(22, SetSessionLogSeverityLevel, OrtStatus*, (OrtSessionOptions*, int))                                            \
  F(23, SetSessionGraphOptimizationLevel, OrtStatus*, (OrtSessionOptions*, int))                                      \
  F(24, SetIntraOpNumThreads, OrtStatus*, (OrtSessionOptions*, int))                                                  \
  F(25, SetInterOpNumThreads, OrtStatus*, (OrtSessionOptions*, int))                                                  \
  F(26, CreateCustomOpDomain, OrtStatus*, (const char* domain, OrtCustomOpDomain**))                                  \
  F(27, CustomOpDomain_Add, OrtStatus*, (OrtCustomOpDomain*, const OrtCustomOp*))                                     \
  F(28, AddCustomOpDomain, OrtStatus*, (OrtSessionOptions*, OrtCustomOpDomain*))                                      \
  F(39, CreateRunOptions, OrtStatus*, (OrtRunOptions**))                                                              \
  F(46, RunOptionsSetTerminate, OrtStatus*, (OrtRunOptions*))                                                         \
  F(49, CreateTensorWithDataAsOrtValue, OrtStatus*,                                                                   \
    (const OrtMemoryInfo*, void* data, std::size_t bytes, const std::int64_t* shape, std::size_t rank,                \
     int elementType, OrtValue**))                                                                                    \
  F(51, GetTensorMutableData, OrtStatus*, (OrtValue*, void** data))                                                   \
  F(61, GetDimensionsCount, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, std::size_t*))                             \
  F(62, GetDimensions, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, std::int64_t* dimensions, std::size_t))         \
  F(65, GetTensorTypeAndShape, OrtStatus*, (const OrtValue*, OrtTensorTypeAndShapeInfo**))                            \
  F(68, CreateMemoryInfo, OrtStatus*,                                                                                 \
    (const char* name, int allocatorType, int id, int memoryType, OrtMemoryInfo**))                                   \
  F(69, CreateCpuMemoryInfo, OrtStatus*, (int allocatorType, int memoryType, OrtMemoryInfo**))                        \
  F(75, AllocatorAlloc, OrtStatus*, (OrtAllocator*, std::size_t bytes, void**))                                       \
  F(76, AllocatorFree, OrtStatus*, (OrtAllocator*, void*))                                                            \
  F(85, KernelInfoGetAttribute_float, OrtStatus*, (const OrtKernelInfo*, const char* name, float*))                   \
  F(86, KernelInfoGetAttribute_int64, OrtStatus*, (const OrtKernelInfo*, const char* name, std::int64_t*))            \
  F(90, KernelContext_GetInput, OrtStatus*, (const OrtKernelContext*, std::size_t index, const OrtValue**))           \
  F(91, KernelContext_GetOutput, OrtStatus*,                                                                          \
    (OrtKernelContext*, std::size_t index, const std::int64_t* shape, std::size_t rank, OrtValue**))                  \
  F(92, ReleaseEnv, void, (OrtEnv*))                                                                                  \
  F(93, ReleaseStatus, void, (OrtStatus*))                                                                            \
  F(94, ReleaseMemoryInfo, void, (OrtMemoryInfo*))                                                                    \
  F(95, ReleaseSession, void, (OrtSession*))                                                                          \
  F(96, ReleaseValue, void, (OrtValue*))                                                                              \
  F(97, ReleaseRunOptions, void, (OrtRunOptions*))                                                                    \
  F(99, ReleaseTensorTypeAndShapeInfo, void, (OrtTensorTypeAndShapeInfo*))                                            \
  F(100, ReleaseSessionOptions, void, (OrtSessionOptions*))                                                           \
  F(101, ReleaseCustomOpDomain, void, (OrtCustomOpDomain*))                                                           \
  F(130, AddSessionConfigEntry, OrtStatus*, (OrtSessionOptions*, const char* key, const char* value))                 \
  F(131, CreateAllocator, OrtStatus*, (const OrtSession*, const OrtMemoryInfo*, OrtAllocator**))                      \
  F(132, ReleaseAllocator, void, (OrtAllocator*))                                                                     \
  F(165, AddRunConfigEntry, OrtStatus*, (OrtRunOptions*, const char* key, const char* value))                         \
  F(204, SessionOptionsAppendExecutionProvider_CUDA_V2, OrtStatus*,                                                   \
    (OrtSessionOptions*, const OrtCUDAProviderOptionsV2*))                                                            \
  F(205, CreateCUDAProviderOptions, OrtStatus*, (OrtCUDAProviderOptionsV2**))                                         \
  F(206, UpdateCUDAProviderOptions, OrtStatus*,                                                                       \
    (OrtCUDAProviderOptionsV2*, const char* const* keys, const char* const* values, std::size_t))                     \
  F(208, ReleaseCUDAProviderOptions, void, (OrtCUDAProviderOptionsV2*))                                               \
  F(216, SessionOptionsAppendExecutionProvider, OrtStatus*,                                                           \
    (OrtSessionOptions*, const char* provider, const char* const* keys, const char* const* values, std::size_t))      \
  F(249, KernelInfoGetConstantInput_tensor, OrtStatus*,                                                               \
    (const OrtKernelInfo*, std::size_t index, int* isConstant, const OrtValue**))                                     \
  F(274, KernelContext_ParallelFor, OrtStatus*,                                                                       \
    (const OrtKernelContext*, void (*work)(void*, std::size_t), std::size_t count, std::size_t batches, void*))       \
  F(298, GetKeyValuePairs, void,                                                                                      \
    (const OrtKeyValuePairs*, const char* const** keys, const char* const** values, std::size_t*))                    \
  F(300, ReleaseKeyValuePairs, void, (OrtKeyValuePairs*))                                                             \
  F(318, GetTensorSizeInBytes, OrtStatus*, (const OrtValue*, std::size_t*))                                           \
  F(319, AllocatorGetStats, OrtStatus*, (const OrtAllocator*, OrtKeyValuePairs**))

}  // namespace inhouse
