// Copies on CUDA's default stream. ONNX Runtime computes on a stream of its own that does not wait for it, but every
// run ends with that stream done, and every copy here is done before the next run begins.
#include "cuda_memory.h"

#include "../memory/gpus.h"

namespace inhouse {
namespace {

cuda::Pointer onDevice(const std::byte* address) { return reinterpret_cast<cuda::Pointer>(address); }

}  // namespace

void* CudaMemory::allocateHost(std::size_t bytes) {
  const CudaContext::Use use(context_);
  void* memory = nullptr;
  context_.check(context_.driver().allocateHost(&memory, bytes, 0),
                 "allocate " + std::to_string(bytes) + " bytes of page-locked host memory");
  return memory;
}

void CudaMemory::freeHost(void* memory) noexcept {
  try {
    const CudaContext::Use use(context_);
    context_.driver().freeHost(memory);
  } catch (const std::exception&) {
    // The context is gone, and with it the memory.
  }
}

void CudaMemory::copyIn(std::byte* to, const std::byte* from, std::size_t bytes) {
  const CudaContext::Use use(context_);
  context_.check(context_.driver().copyIn(onDevice(to), from, bytes), "copy to the GPU");
}

void CudaMemory::copyOut(std::byte* to, const std::byte* from, std::size_t bytes) {
  const CudaContext::Use use(context_);
  context_.check(context_.driver().copyOut(to, onDevice(from), bytes), "copy from the GPU");
}

void CudaMemory::copyWithin(const StridedCopy& copy) {
  cuda::Copy2D rectangle;
  rectangle.from = onDevice(copy.from);
  rectangle.fromPitch = copy.fromPitch;
  rectangle.to = onDevice(copy.to);
  rectangle.toPitch = copy.toPitch;
  rectangle.width = copy.rowBytes;
  rectangle.height = copy.rows;
  const CudaContext::Use use(context_);
  context_.check(context_.driver().copy2D(&rectangle), "copy KV positions on the GPU");
}

void CudaMemory::zero(std::byte* at, std::size_t bytes) {
  const CudaContext::Use use(context_);
  context_.check(context_.driver().fill(onDevice(at), 0, bytes), "clear memory of the GPU");
}

void CudaMemory::synchronise() {
  const CudaContext::Use use(context_);
  context_.check(context_.driver().synchronise(), "finish its copies");
}

DeviceFigures CudaMemory::figures() const {
  DeviceFigures figures;
  figures.name = context_.deviceName();
  {
    const CudaContext::Use use(context_);
    std::size_t free = 0;
    std::size_t total = 0;
    context_.check(context_.driver().memoryInfo(&free, &total), "tell its memory");
    figures.freeBytes = free;
    figures.totalBytes = total;
  }
  figures.processBytes = gpuBytesOfThisProcess(context_.pciBusId());
  return figures;
}

}  // namespace inhouse
