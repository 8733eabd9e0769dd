// Which kernel it is.
#include "kernel.h"

#include "../platform/processor.h"
#include "kernels.h"

namespace inhouse {

const ProductKernel* productKernel() {
#ifdef INHOUSE_HAS_KERNELS
  const ProcessorFeatures features = processorFeatures();
  if (features.avx512Vnni) return &avx512Kernel;
  if (features.avxVnni) return &avxKernel;
#endif
  return nullptr;
}

}  // namespace inhouse
