#include "cuda_context.h"

#include "../failure.h"

namespace inhouse {

CudaContext::CudaContext(int deviceId) {
  const std::shared_lock gate(captureGate());
  int count = 0;
  driver_.deviceCount(&count);
  if (deviceId >= count) {
    throw Failure(code::runtimeLoad, "There is no GPU " + std::to_string(deviceId) + ": CUDA's driver shows " +
                                         std::to_string(count) + ", counted from 0.");
  }
  cuda::Result result = driver_.device(&device_, deviceId);
  if (result == cuda::success) result = driver_.retainContext(&context_, device_);
  if (result != cuda::success) {
    throw Failure(code::runtimeLoad,
                  "GPU " + std::to_string(deviceId) + " cannot be used: " + driver_.describe(result) + ".");
  }
}

CudaContext::~CudaContext() {
  const std::shared_lock gate(captureGate());
  driver_.releaseContext(device_);
}

std::string CudaContext::deviceName() const {
  char name[256] = "";
  return driver_.deviceName(name, sizeof name, device_) == cuda::success ? name : "NVIDIA GPU";
}

std::string CudaContext::pciBusId() const {
  char id[32] = "";
  return driver_.devicePciBusId(id, sizeof id, device_) == cuda::success ? id : "";
}

void CudaContext::check(cuda::Result result, const std::string& doing) const {
  if (result == cuda::success) return;
  throw Failure(code::runtimeStep, "CUDA failed to " + doing + ": " + driver_.describe(result) + ".");
}

CudaContext::Use::Use(const CudaContext& context) : context_(context), gate_(captureGate()) {
  context_.check(context_.driver_.pushContext(context_.context_), "use the GPU's context");
}

CudaContext::Use::~Use() {
  cuda::Context popped = nullptr;
  context_.driver_.popContext(&popped);
}

}  // namespace inhouse
