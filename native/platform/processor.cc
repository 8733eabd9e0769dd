// The processor's own answers: CPUID says what it can do, XGETBV which registers the system keeps for a thread.
#include "processor.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <cstdint>
#ifdef _MSC_VER
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif

namespace inhouse {
namespace {

struct Registers {
  std::uint32_t eax, ebx, ecx, edx;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
  Registers result{};
#ifdef _MSC_VER
  int values[4];
  __cpuidex(values, static_cast<int>(leaf), static_cast<int>(subleaf));
  result = {static_cast<std::uint32_t>(values[0]), static_cast<std::uint32_t>(values[1]),
            static_cast<std::uint32_t>(values[2]), static_cast<std::uint32_t>(values[3])};
#else
  __cpuid_count(leaf, subleaf, result.eax, result.ebx, result.ecx, result.edx);
#endif
  return result;
}

std::uint32_t keptRegisters() {
#ifdef _MSC_VER
  return static_cast<std::uint32_t>(_xgetbv(0));
#else
  std::uint32_t eax, edx;
  __asm__("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return eax;
#endif
}

constexpr bool hasAll(std::uint32_t value, std::uint32_t bits) { return (value & bits) == bits; }
constexpr std::uint32_t bit(int position) { return std::uint32_t{1} << position; }

}  // namespace

ProcessorFeatures processorFeatures() {
  const Registers basic = cpuid(1, 0);
  const bool asksSystem = hasAll(basic.ecx, bit(27));  // OSXSAVE: XGETBV may be used
  if (cpuid(0, 0).eax < 7 || !asksSystem) return {};
  const std::uint32_t kept = keptRegisters();
  const bool keepsYmm = hasAll(kept, bit(1) | bit(2));
  const bool keepsZmm = keepsYmm && hasAll(kept, bit(5) | bit(6) | bit(7));

  const Registers extended = cpuid(7, 0);
  const bool hasAvx2 = hasAll(basic.ecx, bit(12)) && hasAll(extended.ebx, bit(5));               // FMA, AVX2
  const bool hasAvx512 = hasAll(extended.ebx, bit(16) | bit(30) | bit(31));                       // F, BW, VL
  const bool hasAvxVnni = extended.eax >= 1 && hasAll(cpuid(7, 1).eax, bit(4));
  return {keepsZmm && hasAvx512 && hasAll(extended.ecx, bit(11)), keepsYmm && hasAvx2 && hasAvxVnni};
}

}  // namespace inhouse

#else

namespace inhouse {

ProcessorFeatures processorFeatures() { return {}; }

}  // namespace inhouse

#endif
