// The loops of a product for AVX-512 with VNNI: 16 outputs to a vector, 8 rows to a tile.
#include "kernels.h"

#ifdef INHOUSE_HAS_KERNELS

#include <immintrin.h>

#include <cstring>

#include "../platform/target_region.h"
#include "../platform/vectorised.h"

INHOUSE_TARGET_BEGIN("avx512f,avx512bw,avx512vl,avx512vnni")

namespace inhouse {
namespace {

struct Vectors {
  using Float = __m512;
  using Int = __m512i;
  using Lanes = __mmask16;
  static constexpr std::size_t lanes = 16;

  static Float zero() { return _mm512_setzero_ps(); }
  static Float broadcast(float value) { return _mm512_set1_ps(value); }
  static Int broadcast(std::int32_t value) { return _mm512_set1_epi32(value); }
  static Int broadcastFour(const std::int8_t* values) {
    std::int32_t four;
    std::memcpy(&four, values, sizeof four);
    return _mm512_set1_epi32(four);
  }

  static Lanes firstLanes(std::size_t count) {
    return static_cast<Lanes>(count >= lanes ? 0xffff : (1u << count) - 1);
  }
  static Float load(const float* values) { return _mm512_loadu_ps(values); }
  static Float load(const float* values, Lanes kept) { return _mm512_maskz_loadu_ps(kept, values); }
  static Int loadCodes(const std::uint8_t* codes) { return _mm512_loadu_si512(codes); }
  static Int lowHalves(Int codes) { return _mm512_and_si512(codes, _mm512_set1_epi8(15)); }
  static Int highHalves(Int codes) { return lowHalves(_mm512_srli_epi16(codes, 4)); }
  static Int widenBytes(const std::uint8_t* values) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values)));
  }
  static Float widenBfloat16(const std::uint8_t* values) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(values));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static void store(float* values, Float vector) { _mm512_storeu_ps(values, vector); }
  static void store(float* values, Lanes kept, Float vector) { _mm512_mask_storeu_ps(values, kept, vector); }
  static void storeLowBytes(std::int8_t* values, Int vector) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values), _mm512_cvtsepi32_epi8(vector));
  }

  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Int subtract(Int a, Int b) { return _mm512_sub_epi32(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float multiplyAdd(Float a, Float b, Float sum) { return _mm512_fmadd_ps(a, b, sum); }
  /** In each lane: four unsigned codes times four signed values, added to `sum`. */
  static Int multiplyAdd(Int sum, Int codes, Int values) { return _mm512_dpbusd_epi32(sum, codes, values); }
  /** In each lane: the product of the lower 16 bits; the upper ones of `a` are zero. */
  static Int multiplyShorts(Int a, Int b) { return _mm512_dpwssd_epi32(broadcast(0), a, b); }
  static Float maximum(Float a, Float b) { return _mm512_max_ps(a, b); }
  static Float magnitude(Float a) { return _mm512_abs_ps(a); }
  static Float toFloat(Int a) { return _mm512_cvtepi32_ps(a); }
  /** To the nearest integer, at least `least`: what is no number becomes `least`. */
  static Int toIntFrom(Float a, std::int32_t least) {
    return _mm512_max_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(least));
  }

  static float largestLane(Float a) { return _mm512_reduce_max_ps(a); }
  static float sumOfLanes(Float a) { return _mm512_reduce_add_ps(a); }
  static std::int32_t sumOfLanes(Int a) { return _mm512_reduce_add_epi32(a); }
};

#define INHOUSE_TILES(Codes) \
  multiplyTile<Codes, 1>, multiplyTile<Codes, 2>, multiplyTile<Codes, 3>, multiplyTile<Codes, 4>, \
  multiplyTile<Codes, 5>, multiplyTile<Codes, 6>, multiplyTile<Codes, 7>, multiplyTile<Codes, 8>
#include "kernel_loops.h"

}  // namespace

const ProductKernel avx512Kernel{"AVX-512 VNNI", roundRow, multiply};

}  // namespace inhouse

INHOUSE_TARGET_END

#endif
