// The kernels there are, where the platform can have them.
#pragma once

#include "kernel.h"

#if defined(__x86_64__) || defined(_M_X64)
#define INHOUSE_HAS_KERNELS

namespace inhouse {

extern const ProductKernel avx512Kernel;
extern const ProductKernel avxKernel;

}  // namespace inhouse

#endif
