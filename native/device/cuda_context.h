// A GPU's primary context, the one that ONNX Runtime uses too, kept for as long as the object lives.
#pragma once

#include <shared_mutex>
#include <string>

#include "capture_gate.h"
#include "cuda_driver.h"

namespace inhouse {

class CudaContext {
 public:
  /** Throws a Failure (INHOUSE_RUNTIME_LOAD) when there is no such GPU. */
  explicit CudaContext(int deviceId);
  ~CudaContext();
  CudaContext(const CudaContext&) = delete;
  CudaContext& operator=(const CudaContext&) = delete;

  const CudaDriver& driver() const { return driver_; }
  std::string deviceName() const;
  std::string pciBusId() const;

  /** Throws a Failure (INHOUSE_RUNTIME_STEP) unless the result is success; `doing` is what was tried. */
  void check(cuda::Result result, const std::string& doing) const;

  /** Makes the context the calling thread's, past the gate, for as long as it lives. */
  class Use {
   public:
    explicit Use(const CudaContext& context);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const CudaContext& context_;
    std::shared_lock<std::shared_mutex> gate_;
  };

 private:
  CudaDriver driver_;
  cuda::Device device_ = 0;
  cuda::Context context_ = nullptr;
};

}  // namespace inhouse
