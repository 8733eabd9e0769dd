// What the processor, and the system it runs under, can do beyond the least of the platform.
#pragma once

namespace inhouse {

struct ProcessorFeatures {
  bool avx512Vnni;  // with AVX-512 F, BW and VL
  bool avxVnni;     // with AVX2 and FMA
};

ProcessorFeatures processorFeatures();

}  // namespace inhouse
