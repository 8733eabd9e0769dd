// The vocabulary-wide loops, written so that compilers turn them into vector instructions.
#include "vector_math.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>

#include "../platform/vectorised.h"

namespace inhouse {
namespace {

/**
 * exp(x) for x <= 0, within 2 units in the last place; 0 below -708, where results would be denormal.
 * x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by its Taylor series, 2^n by writing the exponent field.
 */
INHOUSE_INLINE double exponential(double x) {
  constexpr double log2e = 1.4426950408889634074;
  constexpr double ln2High = 6.93147180369123816490e-01;  // the upper bits of ln 2: n * ln2High is exact
  constexpr double ln2Low = 1.90821492927058770002e-10;
  constexpr double rounder = 6755399441055744.0;  // 1.5 * 2^52: adding it leaves n in the low bits of the sum
  const double clamped = x < -708.0 ? -708.0 : x;
  const double shifted = clamped * log2e + rounder;
  const double n = shifted - rounder;
  const double r = (clamped - n * ln2High) - n * ln2Low;

  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  p = p * r + 1.0;
  p = p * r + 1.0;

  std::uint64_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 1023) << 52;
  double powerOfTwo;
  std::memcpy(&powerOfTwo, &bits, sizeof powerOfTwo);
  return x < -708.0 ? 0.0 : p * powerOfTwo;
}

template <class T>
INHOUSE_INLINE T maximum(const T* values, std::size_t length) {
  T largest = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : largest)
  for (std::size_t i = 0; i < length; i++) largest = values[i] > largest ? values[i] : largest;
  return largest;
}

template <class T>
INHOUSE_INLINE void maximaOfBlocks(const T* values, std::size_t length, T* maxima) {
  for (std::size_t block = 0; block < blockCount(length); block++) {
    const std::size_t begin = block * blockLength;
    maxima[block] = maximum(values + begin, std::min(blockLength, length - begin));
  }
}

}  // namespace

INHOUSE_VECTORISED void blockMaxima(const float* values, std::size_t length, float* maxima) {
  maximaOfBlocks(values, length, maxima);
}

INHOUSE_VECTORISED void blockMaxima(const double* values, std::size_t length, double* maxima) {
  maximaOfBlocks(values, length, maxima);
}

INHOUSE_VECTORISED void widen(const float* values, std::size_t length, double* result) {
  for (std::size_t i = 0; i < length; i++) result[i] = values[i];
}

INHOUSE_VECTORISED void exponentials(const double* values, std::size_t length, double largest, double scale,
                                     double* weights, double* blockSums) {
  for (std::size_t block = 0; block < blockCount(length); block++) {
    const std::size_t begin = block * blockLength;
    const std::size_t end = std::min(begin + blockLength, length);
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::size_t i = begin; i < end; i++) {
      weights[i] = exponential((values[i] - largest) * scale);
      sum += weights[i];
    }
    blockSums[block] = sum;
  }
}

INHOUSE_VECTORISED double sumOfExponentials(const float* values, std::size_t length, float largest) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < length; i++) sum += exponential(static_cast<double>(values[i]) - largest);
  return sum;
}

}  // namespace inhouse
