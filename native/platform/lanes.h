// Short vectors of floats: 16, 8 or 4 of them, what one register of the processor holds.
//
// The functions are always inlined and so become the instructions of the function that they end up in. They take
// vectors by reference, because how one is passed by value depends on those instructions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "vectorised.h"

namespace inhouse {

#if defined(__GNUC__) && defined(__has_builtin) && !defined(INHOUSE_PLAIN_LANES)
#if __has_builtin(__builtin_shufflevector)
#define INHOUSE_VECTORS 1
#endif
#endif

#ifdef INHOUSE_VECTORS
template <int lanes>
struct Lanes;
#define INHOUSE_LANES(lanes)                                                \
  template <>                                                               \
  struct Lanes<lanes> {                                                     \
    typedef float Floats __attribute__((vector_size(4 * lanes)));           \
    typedef std::uint32_t Words __attribute__((vector_size(4 * lanes)));    \
  };
INHOUSE_LANES(4)
INHOUSE_LANES(8)
INHOUSE_LANES(16)
#undef INHOUSE_LANES
#else
/** Where the compiler has no vectors (or a test asks for this form): arrays, in loops that it may vectorise itself. */
template <int lanes>
struct Lanes {
  struct Floats {
    float lane[lanes];
    float operator[](int i) const { return lane[i]; }
#define INHOUSE_LANEWISE(op)                                              \
  friend Floats operator op(Floats a, const Floats& b) {                  \
    for (int i = 0; i < lanes; i++) a.lane[i] = a.lane[i] op b.lane[i];   \
    return a;                                                             \
  }                                                                       \
  friend Floats operator op(Floats a, float b) {                          \
    for (int i = 0; i < lanes; i++) a.lane[i] = a.lane[i] op b;           \
    return a;                                                             \
  }                                                                       \
  friend Floats& operator op##=(Floats& a, const Floats& b) { return a = a op b; } \
  friend Floats& operator op##=(Floats& a, float b) { return a = a op b; }
    INHOUSE_LANEWISE(+)
    INHOUSE_LANEWISE(-)
    INHOUSE_LANEWISE(*)
    INHOUSE_LANEWISE(/)
#undef INHOUSE_LANEWISE
  };
};
#endif

template <int lanes>
using Floats = typename Lanes<lanes>::Floats;

template <class Vector>
INHOUSE_INLINE void load(Vector& vector, const float* source) {
  std::memcpy(&vector, source, sizeof vector);
}

template <class Vector>
INHOUSE_INLINE void store(float* target, const Vector& vector) {
  std::memcpy(target, &vector, sizeof vector);
}

template <class Vector>
INHOUSE_INLINE void fill(Vector& vector, float value) {
  vector = Vector{} - (-value);
}

template <int lanes, std::size_t... lane>
INHOUSE_INLINE void join(Floats<lanes>& whole, const Floats<lanes / 2>& lower, const Floats<lanes / 2>& upper,
                         std::index_sequence<lane...>) {
#ifdef INHOUSE_VECTORS
  whole = __builtin_shufflevector(lower, upper, lane...);
#else
  ((whole.lane[lane] = lane < lanes / 2 ? lower.lane[lane % (lanes / 2)] : upper.lane[lane % (lanes / 2)]), ...);
#endif
}

/** Four floats of each of lanes / 4 rows, side by side; the rows are `stride` floats apart. */
template <int lanes>
INHOUSE_INLINE void loadFours(Floats<lanes>& vector, const float* source, std::size_t stride) {
  if constexpr (lanes == 4) {
    load(vector, source);
  } else {
    Floats<lanes / 2> lower, upper;
    loadFours<lanes / 2>(lower, source, stride);
    loadFours<lanes / 2>(upper, source + lanes / 8 * stride, stride);
    join<lanes>(vector, lower, upper, std::make_index_sequence<lanes>());
  }
}

template <int step, int lanes, std::size_t... lane>
INHOUSE_INLINE void exchange(Floats<lanes>& a, Floats<lanes>& b, std::index_sequence<lane...>) {
  const Floats<lanes> x = a, y = b;
#ifdef INHOUSE_VECTORS
  a = __builtin_shufflevector(x, y, (lane & step ? lanes + lane - step : lane)...);
  b = __builtin_shufflevector(x, y, (lane & step ? lanes + lane : lane + step)...);
#else
  ((a.lane[lane] = lane & step ? y.lane[lane - step] : x.lane[lane]), ...);
  ((b.lane[lane] = lane & step ? y.lane[lane] : x.lane[lane + step]), ...);
#endif
}

/** Lane 4 g + i of vectors[j] becomes lane 4 g + j of vectors[i]. */
template <int lanes>
INHOUSE_INLINE void transposeFours(Floats<lanes> (&vectors)[4]) {
  constexpr std::make_index_sequence<lanes> all;
  exchange<1, lanes>(vectors[0], vectors[1], all);
  exchange<1, lanes>(vectors[2], vectors[3], all);
  exchange<2, lanes>(vectors[0], vectors[2], all);
  exchange<2, lanes>(vectors[1], vectors[3], all);
}

/** vector = max(vector, other) in each lane; where either is NaN, what `vector` holds stays. */
template <int lanes>
INHOUSE_INLINE void raise(Floats<lanes>& vector, const Floats<lanes>& other) {
#ifdef INHOUSE_VECTORS
  vector = other > vector ? other : vector;
#else
  for (int i = 0; i < lanes; i++) vector.lane[i] = other.lane[i] > vector.lane[i] ? other.lane[i] : vector.lane[i];
#endif
}

template <int lanes>
INHOUSE_INLINE float sum(const Floats<lanes>& vector) {
  if constexpr (lanes == 4) {
    return (vector[0] + vector[2]) + (vector[1] + vector[3]);
  } else {
    Floats<lanes / 2> halves[2];
    std::memcpy(halves, &vector, sizeof vector);
    halves[0] += halves[1];
    return sum<lanes / 2>(halves[0]);
  }
}

template <int lanes>
INHOUSE_INLINE float largest(const Floats<lanes>& vector) {
  float result = vector[0];
  for (int i = 1; i < lanes; i++) result = vector[i] > result ? vector[i] : result;
  return result;
}

/**
 * vector = exp(vector) in each lane, for values up to 0, within 2 units in the last place; 1e-38 for all below -87.
 * x = n ln 2 + r with |r| <= ln 2 / 2; exp(r) by its Taylor series, 2^n by writing the exponent field.
 */
template <int lanes>
INHOUSE_INLINE void exponentiate(Floats<lanes>& x) {
  constexpr float log2e = 1.44269504f;
  constexpr float ln2High = 0x1.62e4p-1f;  // the upper bits of ln 2: n * ln2High is exact
  constexpr float ln2Low = 0x1.7f7d1cp-20f;
  constexpr float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves n in the low bits of the sum

  Floats<lanes> least;
  fill(least, -87.0f);
  raise<lanes>(x, least);
  const Floats<lanes> shifted = x * log2e + rounder;
  const Floats<lanes> n = shifted - rounder;
  const Floats<lanes> r = (x - n * ln2High) - n * ln2Low;

  Floats<lanes> p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;

  Floats<lanes> powerOfTwo;
#ifdef INHOUSE_VECTORS
  typename Lanes<lanes>::Words bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;
  std::memcpy(&powerOfTwo, &bits, sizeof bits);
#else
  std::uint32_t bits[lanes];
  std::memcpy(bits, &shifted, sizeof bits);
  for (std::uint32_t& word : bits) word = (word + 127) << 23;
  std::memcpy(&powerOfTwo, bits, sizeof bits);
#endif
  x = p * powerOfTwo;
}

}  // namespace inhouse
