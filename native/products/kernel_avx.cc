// The loops of a product for AVX2 with VNNI, of processors without AVX-512: 8 outputs to a vector, 4 rows to a tile.
#include "kernels.h"

#ifdef INHOUSE_HAS_KERNELS

#include <immintrin.h>

#include <cstring>

#include "../platform/target_region.h"
#include "../platform/vectorised.h"

INHOUSE_TARGET_BEGIN("avx2,fma,avxvnni")

namespace inhouse {
namespace {

alignas(32) constexpr std::int32_t LANES[] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

struct Vectors {
  using Float = __m256;
  using Int = __m256i;
  using Lanes = __m256i;
  static constexpr std::size_t lanes = 8;

  static Float zero() { return _mm256_setzero_ps(); }
  static Float broadcast(float value) { return _mm256_set1_ps(value); }
  static Int broadcast(std::int32_t value) { return _mm256_set1_epi32(value); }
  static Int broadcastFour(const std::int8_t* values) {
    std::int32_t four;
    std::memcpy(&four, values, sizeof four);
    return _mm256_set1_epi32(four);
  }

  static Lanes firstLanes(std::size_t count) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(LANES + lanes - (count < lanes ? count : lanes)));
  }
  static Float load(const float* values) { return _mm256_loadu_ps(values); }
  static Float load(const float* values, Lanes kept) { return _mm256_maskload_ps(values, kept); }
  static Int loadCodes(const std::uint8_t* codes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes));
  }
  static Int lowHalves(Int codes) { return _mm256_and_si256(codes, _mm256_set1_epi8(15)); }
  static Int highHalves(Int codes) { return lowHalves(_mm256_srli_epi16(codes, 4)); }
  static Int widenBytes(const std::uint8_t* values) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values)));
  }
  static Float widenBfloat16(const std::uint8_t* values) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  static void store(float* values, Float vector) { _mm256_storeu_ps(values, vector); }
  static void store(float* values, Lanes kept, Float vector) { _mm256_maskstore_ps(values, kept, vector); }
  static void storeLowBytes(std::int8_t* values, Int vector) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(vector), _mm256_extracti128_si256(vector, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(values), _mm_packs_epi16(words, words));
  }

  static Float add(Float a, Float b) { return _mm256_add_ps(a, b); }
  static Int subtract(Int a, Int b) { return _mm256_sub_epi32(a, b); }
  static Float multiply(Float a, Float b) { return _mm256_mul_ps(a, b); }
  static Float multiplyAdd(Float a, Float b, Float sum) { return _mm256_fmadd_ps(a, b, sum); }
  /** In each lane: four unsigned codes times four signed values, added to `sum`. */
  static Int multiplyAdd(Int sum, Int codes, Int values) { return _mm256_dpbusd_avx_epi32(sum, codes, values); }
  /** In each lane: the product of the lower 16 bits; the upper ones of `a` are zero. */
  static Int multiplyShorts(Int a, Int b) { return _mm256_dpwssd_avx_epi32(broadcast(0), a, b); }
  static Float maximum(Float a, Float b) { return _mm256_max_ps(a, b); }
  static Float magnitude(Float a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
  static Float toFloat(Int a) { return _mm256_cvtepi32_ps(a); }
  /** To the nearest integer, at least `least`: what is no number becomes `least`. */
  static Int toIntFrom(Float a, std::int32_t least) {
    return _mm256_max_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(least));
  }

  static float largestLane(Float a) {
    alignas(32) float values[lanes];
    _mm256_store_ps(values, a);
    float largest = values[0];
    for (const float value : values) largest = value > largest ? value : largest;
    return largest;
  }
  static float sumOfLanes(Float a) {
    alignas(32) float values[lanes];
    _mm256_store_ps(values, a);
    float sum = 0;
    for (const float value : values) sum += value;
    return sum;
  }
  static std::int32_t sumOfLanes(Int a) {
    alignas(32) std::int32_t values[lanes];
    _mm256_store_si256(reinterpret_cast<__m256i*>(values), a);
    std::int32_t sum = 0;
    for (const std::int32_t value : values) sum += value;
    return sum;
  }
};

#define INHOUSE_TILES(Codes) \
  multiplyTile<Codes, 1>, multiplyTile<Codes, 2>, multiplyTile<Codes, 3>, multiplyTile<Codes, 4>
#include "kernel_loops.h"

}  // namespace

const ProductKernel avxKernel{"AVX-VNNI", roundRow, multiply};

}  // namespace inhouse

INHOUSE_TARGET_END

#endif
