// A stand-in for CUDA's libraries: device memory is host memory, copies are copies, and kernels do nothing. ONNX Runtime's
// real CUDA provider gets through loading, binding, running, capturing and failing with it, on a machine without a GPU.
//
// FAKE_CUDA_MEMORY: bytes of the device, default 8 GiB. FAKE_CUDA_LOST: once this file exists, every call fails as after a
// fault on the device. FAKE_CUDA_NO_CAPTURE: set, ending a capture fails. FAKE_CUDA_COUNTS: at exit, calls are written there.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { success = 0, outOfMemory = 2, captureUnsupported = 900, captureInvalidated = 901, illegalAddress = 700 };

static struct { const char *name; long calls; } counts[256];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static size_t used;
static int capturing;

static void count(const char *name) {
  pthread_mutex_lock(&mutex);
  int i = 0;
  while (counts[i].name && strcmp(counts[i].name, name)) i++;
  counts[i].name = name;
  counts[i].calls++;
  pthread_mutex_unlock(&mutex);
}

__attribute__((destructor)) static void writeCounts(void) {
  const char *path = getenv("FAKE_CUDA_COUNTS");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) return;
  for (int i = 0; counts[i].name; i++) fprintf(file, "%s %ld\n", counts[i].name, counts[i].calls);
  fprintf(file, "usedBytes %zu\n", used);
  fclose(file);
}

static int lost(void) {
  const char *path = getenv("FAKE_CUDA_LOST");
  return path && access(path, F_OK) == 0;
}

/** Leaves a function early on a lost device, and counts its call. */
#define CALL() \
  count(__func__); \
  if (lost()) return illegalAddress

/** Calls that a capture does not bear. */
#define CALL_OUTSIDE_CAPTURE() \
  CALL(); \
  if (capturing) { capturing = -1; return captureUnsupported; }

static size_t total(void) {
  const char *bytes = getenv("FAKE_CUDA_MEMORY");
  return bytes ? strtoull(bytes, NULL, 10) : (size_t)8 << 30;
}

/** Blocks remember their size in front of them. */
static int take(void **out, size_t bytes) {
  if (used + bytes > total()) return outOfMemory;
  char *block = NULL;
  if (posix_memalign((void **)&block, 256, bytes + 256)) return outOfMemory;
  memset(block, 0, bytes + 256);
  *(size_t *)block = bytes;
  __atomic_add_fetch(&used, bytes, __ATOMIC_SEQ_CST);
  *out = block + 256;
  return success;
}

static int give(void *address) {
  if (!address) return success;
  char *block = (char *)address - 256;
  __atomic_sub_fetch(&used, *(size_t *)block, __ATOMIC_SEQ_CST);
  free(block);
  return success;
}

// The runtime.
static char handle;
int cudaMalloc(void **out, size_t bytes) { CALL_OUTSIDE_CAPTURE(); return take(out, bytes); }
int cudaFree(void *block) { CALL_OUTSIDE_CAPTURE(); return give(block); }
int cudaFreeAsync(void *block, void *stream) { CALL(); return give(block); }
int cudaHostAlloc(void **out, size_t bytes, unsigned flags) { CALL(); *out = malloc(bytes); return success; }
int cudaMallocHost(void **out, size_t bytes) { CALL(); *out = malloc(bytes); return success; }
int cudaFreeHost(void *block) { count(__func__); free(block); return success; }
int cudaMemGetInfo(size_t *freeBytes, size_t *totalBytes) { CALL(); *freeBytes = total() - used; *totalBytes = total(); return success; }
int cudaMemcpy(void *to, const void *from, size_t bytes, int kind) { CALL_OUTSIDE_CAPTURE(); memmove(to, from, bytes); return success; }
int cudaMemcpyAsync(void *to, const void *from, size_t bytes, int kind, void *stream) { CALL(); memmove(to, from, bytes); return success; }
int cudaMemcpy2DAsync(char *to, size_t toPitch, const char *from, size_t fromPitch, size_t width, size_t height, int kind, void *stream) {
  CALL();
  for (size_t i = 0; i < height; i++) memmove(to + i * toPitch, from + i * fromPitch, width);
  return success;
}
int cudaMemcpyFromSymbol(void *to, const void *symbol, size_t bytes) { CALL(); memset(to, 0, bytes); return success; }
int cudaMemset(void *at, int value, size_t bytes) { CALL_OUTSIDE_CAPTURE(); memset(at, value, bytes); return success; }
int cudaMemsetAsync(void *at, int value, size_t bytes, void *stream) { CALL(); memset(at, value, bytes); return success; }
int cudaGetDevice(int *device) { CALL(); *device = 0; return success; }
int cudaSetDevice(int device) { CALL(); return device == 0 ? success : 101; }
int cudaGetDeviceCount(int *devices) { CALL(); *devices = 1; return success; }
int cudaDriverGetVersion(int *version) { *version = 13000; return success; }
int cudaRuntimeGetVersion(int *version) { *version = 13000; return success; }
/** An H100 as far as it is asked; offsets of cudaDeviceProp in CUDA 13. */
int cudaGetDeviceProperties(char *properties, int device) {
  CALL();
  memset(properties, 0, 1008);
  strcpy(properties, "Fake GPU");
  *(size_t *)(properties + 288) = total();
  *(size_t *)(properties + 296) = 49152;    // shared memory per block
  *(int *)(properties + 304) = 65536;       // registers per block
  *(int *)(properties + 308) = 32;          // warp
  *(int *)(properties + 320) = 1024;        // threads per block
  for (int i = 0; i < 3; i++) *(int *)(properties + 324 + 4 * i) = 1024, *(int *)(properties + 336 + 4 * i) = 65535;
  *(int *)(properties + 360) = 9;           // compute capability
  *(int *)(properties + 384) = 132;         // multiprocessors
  *(int *)(properties + 604) = 2048;        // threads per multiprocessor
  *(size_t *)(properties + 624) = 233472;   // shared memory per multiprocessor
  *(size_t *)(properties + 672) = 232448;   // shared memory per block, opt-in
  return success;
}
int cudaDeviceGetAttribute(int *value, int attribute, int device) {
  CALL();
  switch (attribute) {
    case 1: *value = 1024; break;
    case 10: *value = 32; break;
    case 16: *value = 132; break;
    case 75: *value = 9; break;
    case 81: *value = 233472; break;
    case 97: *value = 232448; break;
    default: *value = 0;
  }
  return success;
}
int cudaFuncGetAttributes(char *attributes, const void *function) { CALL(); memset(attributes, 0, 144); *(int *)(attributes + 24) = 1024; return success; }
int cudaFuncSetAttribute() { CALL(); return success; }
int cudaKernelSetAttributeForDevice() { CALL(); return success; }
int cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks) { CALL(); *blocks = 1; return success; }
int cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version, unsigned long long flags, int *status) {
  CALL();
  *function = NULL;
  if (status) *status = 1;
  return 500;
}
int cudaGetLastError(void) { return lost() ? illegalAddress : success; }
int cudaPeekAtLastError(void) { return lost() ? illegalAddress : success; }
const char *cudaGetErrorName(int error) { return error == outOfMemory ? "cudaErrorMemoryAllocation" : error == illegalAddress ? "cudaErrorIllegalAddress" : error >= 900 ? "cudaErrorStreamCapture" : "cudaErrorFake"; }
const char *cudaGetErrorString(int error) { return error == outOfMemory ? "out of memory" : error == illegalAddress ? "an illegal memory access was encountered" : "an error of the fake CUDA"; }
int cudaDeviceSynchronize(void) { CALL_OUTSIDE_CAPTURE(); return success; }
int cudaStreamCreate(void **stream) { CALL(); *stream = &handle; return success; }
int cudaStreamCreateWithFlags(void **stream, unsigned flags) { CALL(); *stream = &handle; return success; }
int cudaStreamDestroy() { CALL(); return success; }
int cudaStreamSynchronize() { CALL_OUTSIDE_CAPTURE(); return success; }
int cudaStreamWaitEvent() { CALL(); return success; }
int cudaStreamIsCapturing(void *stream, int *status) { CALL(); *status = capturing != 0; return success; }
int cudaStreamBeginCapture() { CALL(); capturing = 1; return success; }
int cudaStreamEndCapture(void *stream, void **graph) {
  CALL();
  const int spoilt = capturing < 0;
  capturing = 0;
  *graph = spoilt ? NULL : &handle;
  return spoilt || getenv("FAKE_CUDA_NO_CAPTURE") ? captureInvalidated : success;
}
int cudaGraphInstantiate(void **executable) { CALL(); *executable = &handle; return success; }
int cudaGraphLaunch() { CALL(); return success; }
int cudaGraphDestroy() { CALL(); return success; }
int cudaGraphExecDestroy() { CALL(); return success; }
int cudaEventCreate(void **event) { CALL(); *event = &handle; return success; }
int cudaEventCreateWithFlags(void **event, unsigned flags) { CALL(); *event = &handle; return success; }
int cudaEventDestroy() { CALL(); return success; }
int cudaEventRecord() { CALL(); return success; }
int cudaEventSynchronize() { CALL(); return success; }
int cudaEventElapsedTime(float *time) { CALL(); *time = 1; return success; }
int cudaLaunchHostFunc(void *stream, void (*function)(void *), void *data) { CALL(); function(data); return success; }
int cudaLaunchKernel() { CALL(); return success; }
int cudaLaunchKernelExC() { CALL(); return success; }
int cudaLibraryLoadData(void **library) { CALL(); *library = &handle; return success; }
int cudaLibraryGetKernel(void **kernel) { CALL(); *kernel = &handle; return success; }
int cudaLibraryUnload() { CALL(); return success; }
int cudaMallocFromPoolAsync(void **out, size_t bytes) { CALL(); return take(out, bytes); }
int cudaMemPoolCreate(void **pool) { CALL(); *pool = &handle; return success; }
int cudaMemPoolDestroy() { CALL(); return success; }
int cudaMemPoolGetAttribute() { CALL(); return success; }
int cudaMemPoolSetAttribute() { CALL(); return success; }
int cudaMemPoolTrimTo() { CALL(); return success; }
int __cudaGetKernel(void **kernel, const void *function) { *kernel = &handle; return success; }
int __cudaLaunchKernel() { CALL(); return success; }
unsigned __cudaPopCallConfiguration() { return 0; }
unsigned __cudaPushCallConfiguration() { return 0; }
void **__cudaRegisterFatBinary(void) { static void *image; return &image; }
void __cudaRegisterFatBinaryEnd(void) {}
void __cudaRegisterFunction(void) {}
void __cudaRegisterVar(void) {}
void __cudaUnregisterFatBinary(void) {}

// cuBLAS: everything succeeds and computes nothing.
#define NOTHING(name) int name() { CALL(); return success; }
#define MAKES(name) int name(void **made) { CALL(); *made = &handle; return success; }
MAKES(cublasCreate_v2) NOTHING(cublasDestroy_v2) NOTHING(cublasSetStream_v2) NOTHING(cublasSetMathMode)
int cublasGetMathMode(void *cublas, int *mode) { CALL(); *mode = 0; return success; }
const char *cublasGetStatusName() { return "CUBLAS_STATUS_FAKE"; }
const char *cublasGetStatusString() { return "an error of the fake cuBLAS"; }
NOTHING(cublasDcopy_v2) NOTHING(cublasDgeam) NOTHING(cublasDgemmBatched) NOTHING(cublasDgemmStridedBatched) NOTHING(cublasDgemm_v2)
NOTHING(cublasDgetrfBatched) NOTHING(cublasDgetriBatched) NOTHING(cublasGemmBatchedEx) NOTHING(cublasGemmEx) NOTHING(cublasGemmStridedBatchedEx)
NOTHING(cublasScopy_v2) NOTHING(cublasSgeam) NOTHING(cublasSgemmBatched) NOTHING(cublasSgemmStridedBatched) NOTHING(cublasSgemm_v2)
NOTHING(cublasSgetrfBatched) NOTHING(cublasSgetriBatched) NOTHING(cublasSscal_v2)
MAKES(cublasLtCreate) MAKES(cublasLtMatmulDescCreate) MAKES(cublasLtMatmulPreferenceCreate) MAKES(cublasLtMatrixLayoutCreate)
MAKES(cublasLtMatrixTransformDescCreate)
NOTHING(cublasLtDestroy) NOTHING(cublasLtMatmul) NOTHING(cublasLtMatmulAlgoConfigSetAttribute) NOTHING(cublasLtMatmulAlgoInit)
NOTHING(cublasLtMatmulDescDestroy) NOTHING(cublasLtMatmulDescSetAttribute) NOTHING(cublasLtMatmulPreferenceDestroy)
NOTHING(cublasLtMatmulPreferenceSetAttribute) NOTHING(cublasLtMatrixLayoutDestroy) NOTHING(cublasLtMatrixLayoutSetAttribute)
NOTHING(cublasLtMatrixTransform) NOTHING(cublasLtMatrixTransformDescDestroy)
int cublasLtMatmulAlgoGetHeuristic(void *cublas, void *operation, void *a, void *b, void *c, void *d, void *preference, int wanted,
                                   void *results, int *found) {
  CALL();
  *found = 1;
  return success;
}

// The driver.
typedef unsigned long long Pointer;
struct Copy2D {
  size_t fromX, fromY; int fromType; const void *fromHost; Pointer from; void *fromArray; size_t fromPitch;
  size_t toX, toY; int toType; void *toHost; Pointer to; void *toArray; size_t toPitch, width, height;
};
int cuInit(unsigned flags) { return getenv("FAKE_CUDA_NO_DEVICE") ? 100 : success; }
int cuGetErrorName(int error, const char **name) { *name = error == outOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY" : error == illegalAddress ? "CUDA_ERROR_ILLEGAL_ADDRESS" : error == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_FAKE"; return success; }
int cuGetErrorString(int error, const char **text) { *text = cudaGetErrorString(error); return success; }
int cuDeviceGetCount(int *devices) { *devices = 1; return success; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return success; }
int cuDeviceGetName(char *name, int length, int device) { strncpy(name, "Fake GPU", (size_t)length); return success; }
int cuDeviceGetPCIBusId(char *id, int length, int device) { strncpy(id, "0000:3B:00.0", (size_t)length); return success; }
int cuDevicePrimaryCtxRetain(void **context, int device) { CALL(); *context = &handle; return success; }
int cuDevicePrimaryCtxRelease_v2(int device) { count(__func__); return success; }
int cuCtxPushCurrent_v2(void *context) { return success; }
int cuCtxPopCurrent_v2(void **context) { *context = &handle; return success; }
int cuCtxSynchronize(void) { CALL_OUTSIDE_CAPTURE(); return success; }
int cuMemGetInfo_v2(size_t *freeBytes, size_t *totalBytes) { CALL(); *freeBytes = total() - used; *totalBytes = total(); return success; }
int cuMemAlloc_v2(Pointer *out, size_t bytes) { CALL_OUTSIDE_CAPTURE(); return take((void **)out, bytes); }
int cuMemFree_v2(Pointer block) { CALL_OUTSIDE_CAPTURE(); return give((void *)block); }
int cuMemHostAlloc(void **out, size_t bytes, unsigned flags) { CALL(); *out = malloc(bytes); return success; }
int cuMemFreeHost(void *block) { count(__func__); free(block); return success; }
int cuMemcpyHtoD_v2(Pointer to, const void *from, size_t bytes) { CALL_OUTSIDE_CAPTURE(); memcpy((void *)to, from, bytes); return success; }
int cuMemcpyDtoH_v2(void *to, Pointer from, size_t bytes) { CALL_OUTSIDE_CAPTURE(); memcpy(to, (void *)from, bytes); return success; }
int cuMemcpyDtoD_v2(Pointer to, Pointer from, size_t bytes) { CALL_OUTSIDE_CAPTURE(); memcpy((void *)to, (void *)from, bytes); return success; }
int cuMemcpy2DUnaligned_v2(const struct Copy2D *copy) {
  CALL_OUTSIDE_CAPTURE();
  for (size_t i = 0; i < copy->height; i++)
    memcpy((char *)copy->to + i * copy->toPitch, (char *)copy->from + i * copy->fromPitch, copy->width);
  return success;
}
int cuMemsetD8_v2(Pointer at, unsigned char value, size_t bytes) { CALL_OUTSIDE_CAPTURE(); memset((void *)at, value, bytes); return success; }
