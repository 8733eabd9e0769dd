// One new position at a time, or a block of them: written once over vectors of any width, compiled for each.
#include "attention_kernel.h"

#include <algorithm>
#include <limits>

#include "../platform/lanes.h"

namespace inhouse {
namespace {

/** Keys between two looks at the highest score: their scores, keys and values stay in the cache meanwhile. */
constexpr std::size_t keyBlock = 64;

constexpr float lowest = -std::numeric_limits<float>::infinity();

/** Asks for the cache lines of n floats. */
INHOUSE_INLINE void prefetch([[maybe_unused]] const float* data, [[maybe_unused]] std::size_t n) {
#ifdef __GNUC__
  for (std::size_t i = 0; i < n; i += 16) __builtin_prefetch(data + i);
#endif
}

/**
 * scores[k] = the product of a query and key k, for k < lanes. `query` has each four of its floats lanes / 4 times, [H / 4,
 * lanes]; `keys` is [lanes, H]. Sums are formed as in `multiplyByFours`. As many floats of `upcoming` are fetched ahead, unless it is null.
 */
template <int lanes>
INHOUSE_INLINE void score(const float* query, const float* keys, std::size_t headSize, const float* upcoming,
                          float* scores) {
  Floats<lanes> total[4] = {}, x, y;
  for (std::size_t d = 0; d < headSize; d += 4) {
    load(x, query + d / 4 * lanes);
    for (int i = 0; i < 4; i++) {
      loadFours<lanes>(y, keys + i * headSize + d, 4 * headSize);
      total[i] += x * y;
      if (upcoming != nullptr) prefetch(upcoming + (d + i) * lanes, lanes);
    }
  }
  transposeFours<lanes>(total);
  total[0] += total[1];
  total[0] += total[2];
  total[0] += total[3];
  store(scores, total[0]);
}

/**
 * c[i] = correction * c[i] + sum over k < count of weights[k] * rows[k][i], for i < strip * lanes; `rows` are `stride`
 * floats apart. Rows of `upcoming` are fetched ahead.
 */
template <int lanes, int strip>
INHOUSE_INLINE void addWeighted(float* c, float correction, const float* weights, const float* rows,
                                std::size_t count, std::size_t stride, const float* upcoming) {
  Floats<lanes> total[strip], x;
  for (int j = 0; j < strip; j++) {
    load(total[j], c + j * lanes);
    total[j] *= correction;
  }
  for (std::size_t k = 0; k < count; k++) {
    for (int j = 0; j < strip; j++) {
      load(x, rows + k * stride + j * lanes);
      total[j] += x * weights[k];
    }
    if (upcoming != nullptr) prefetch(upcoming + k * stride, strip * lanes);
  }
  for (int j = 0; j < strip; j++) store(c + j * lanes, total[j]);
}

/** `fixedSize` is the head size where it is known ahead, else 0. */
template <int lanes, int fixedSize>
INHOUSE_INLINE void attendOne(const AttentionHead& head, const AttentionHead* upcoming, float* scratch) {
  constexpr int strip = fixedSize == 0 ? 1 : fixedSize / lanes;
  const std::size_t headSize = fixedSize == 0 ? head.headSize : fixedSize;
  float* query = scratch;                        // [H / 4, lanes / 4, 4], scaled
  float* scores = query + headSize * lanes / 4;  // [keyBlock]
  float* lastKeys = scores + keyBlock;           // [lanes, H]
  float* output = head.output;
  for (std::size_t i = 0; i < headSize; i += 4) {
    Floats<lanes> fours;
    loadFours<lanes>(fours, head.queries + i, 0);
    store(query + i / 4 * lanes, fours * head.scale);
  }
  std::fill_n(output, headSize, 0.0f);
  float highest = lowest;
  float total = 0;

  for (std::size_t begin = 0; begin < head.positions; begin += keyBlock) {
    const std::size_t count = std::min(keyBlock, head.positions - begin);
    const float* keys = head.keys + begin * headSize;
    const float* values = head.values + begin * headSize;
    std::size_t scored = 0;
    for (; scored + lanes <= count; scored += lanes) {
      score<lanes>(query, keys + scored * headSize, headSize, values + scored * headSize, scores + scored);
    }
    if (scored < count) {
      std::copy_n(keys + scored * headSize, (count - scored) * headSize, lastKeys);
      std::fill(lastKeys + (count - scored) * headSize, lastKeys + lanes * headSize, 0.0f);
      prefetch(values + scored * headSize, (count - scored) * headSize);
      score<lanes>(query, lastKeys, headSize, nullptr, scores + scored);
    }

    const std::size_t padded = (count + lanes - 1) / lanes * lanes;
    std::fill(scores + count, scores + padded, lowest);
    Floats<lanes> x, maximum, corrections;
    Floats<4> sums{}, four;
    fill(maximum, highest);
    for (std::size_t k = 0; k < padded; k += lanes) {
      load(x, scores + k);
      raise<lanes>(maximum, x);
    }
    fill(corrections, highest);
    highest = largest<lanes>(maximum);
    corrections -= highest;
    exponentiate<lanes>(corrections);
    const float correction = corrections[0];
    for (std::size_t k = 0; k < padded; k += lanes) {
      load(x, scores + k);
      x -= highest;
      exponentiate<lanes>(x);
      store(scores + k, x);
    }
    for (std::size_t k = 0; k < padded; k += 4) {
      load(four, scores + k);
      sums += four;
    }
    total = total * correction + sum<4>(sums);

    const float* next = nullptr;  // the keys that are read next
    if (begin + count < head.positions) {
      next = keys + count * headSize;
    } else if (upcoming != nullptr) {
      next = upcoming->keys;
    }
    for (std::size_t i = 0; i < headSize; i += strip * lanes) {
      addWeighted<lanes, strip>(output + i, correction, scores, values + i, count, headSize,
                                next == nullptr ? nullptr : next + i);
    }
  }
  const float share = 1 / total;
  for (std::size_t i = 0; i < headSize; i++) output[i] *= share;
}

/** total[r][v] += sum over k = first, first + step, .. < count of a[r * rowStride + k * stepStride] * b[k][v]. */
template <int lanes, int vectors, int rows>
INHOUSE_INLINE void addProducts(Floats<lanes> (&total)[rows][vectors], const float* a, std::size_t rowStride,
                                std::size_t stepStride, const float* b, std::size_t first, std::size_t step,
                                std::size_t count) {
  Floats<lanes> y[vectors];
  for (std::size_t k = first; k < count; k += step) {
    for (int v = 0; v < vectors; v++) load(y[v], b + (k * vectors + v) * lanes);
    for (int r = 0; r < rows; r++) {
      const float x = a[r * rowStride + k * stepStride];
      for (int v = 0; v < vectors; v++) total[r][v] += y[v] * x;
    }
  }
}

/**
 * c[r][q] = sum over k < count of a[r][k] * b[k][q], for r < rows and q < vectors * lanes. a has rows of `count` floats,
 * a multiple of 4. First those of k = j, j + 4, j + 8, .. are added up for each j < 4, then these four.
 */
template <int lanes, int vectors, int rows>
INHOUSE_INLINE void multiplyByFours(const float* a, const float* b, std::size_t count, float* c) {
  for (std::size_t j = 0; j < 4; j++) {
    Floats<lanes> total[rows][vectors] = {}, sum;
    addProducts<lanes, vectors, rows>(total, a, count, 1, b, j, 4, count);
    for (int r = 0; r < rows; r++) {
      for (int v = 0; v < vectors; v++) {
        float* place = c + (r * vectors + v) * lanes;
        if (j > 0) {
          load(sum, place);
          total[r][v] += sum;
        }
        store(place, total[r][v]);
      }
    }
  }
}

/**
 * c[r][q] = corrections[q] * c[r][q] + sum over k < count of a[r + k * stride] * b[k][q], for r < rows and q < vectors *
 * lanes.
 */
template <int lanes, int vectors, int rows>
INHOUSE_INLINE void addColumns(const float* a, std::size_t stride, const float* b, std::size_t count, float* c,
                               const float* corrections) {
  Floats<lanes> total[rows][vectors], y;
  for (int r = 0; r < rows; r++) {
    for (int v = 0; v < vectors; v++) {
      load(total[r][v], c + (r * vectors + v) * lanes);
      load(y, corrections + v * lanes);
      total[r][v] *= y;
    }
  }
  addProducts<lanes, vectors, rows>(total, a, 1, stride, b, 0, 1, count);
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < vectors; v++) store(c + (r * vectors + v) * lanes, total[r][v]);
}

/** Turns the scores of a block of keys into weights; moves the highest scores, sums and corrections along. */
template <int lanes, int vectors>
INHOUSE_INLINE void weigh(float* scores, std::size_t count, float* highest, float* total, float* corrections) {
  constexpr int width = vectors * lanes;
  for (int v = 0; v < width; v += lanes) {
    Floats<lanes> x, maximum, sums[4] = {}, all, correction;
    load(correction, highest + v);
    maximum = correction;
    for (std::size_t k = 0; k < count; k++) {
      load(x, scores + k * width + v);
      raise<lanes>(maximum, x);
    }
    correction -= maximum;
    exponentiate<lanes>(correction);
    for (std::size_t k = 0; k < count; k++) {
      load(x, scores + k * width + v);
      x -= maximum;
      exponentiate<lanes>(x);
      store(scores + k * width + v, x);
      sums[k % 4] += x;
    }
    load(all, total + v);
    all = all * correction + ((sums[0] + sums[2]) + (sums[1] + sums[3]));
    store(highest + v, maximum);
    store(total + v, all);
    store(corrections + v, correction);
  }
}

/** New positions begin..begin + width or fewer, one per lane; what the lanes beyond the last compute is not used. */
template <int lanes, int vectors, int rows>
INHOUSE_INLINE void attendBlock(const AttentionHead& head, std::size_t begin, float* scratch) {
  constexpr std::size_t width = vectors * lanes;
  const std::size_t headSize = head.headSize;
  const std::size_t count = std::min(width, head.newPositions - begin);
  const std::size_t firstPosition = head.positions - head.newPositions + begin;
  float* queries = scratch;                       // [H, width], scaled
  float* output = queries + headSize * width;     // [H, width]
  float* scores = output + headSize * width;      // [keyBlock, width]
  float* highest = scores + keyBlock * width;     // [width]
  float* total = highest + width;                 // [width]
  float* corrections = total + width;             // [width]

  for (std::size_t q = 0; q < width; q++) {
    const float* query = head.queries + (begin + std::min(q, count - 1)) * head.stride;
    for (std::size_t d = 0; d < headSize; d++) queries[d * width + q] = query[d] * head.scale;
  }
  std::fill_n(output, headSize * width, 0.0f);
  std::fill_n(highest, width, lowest);
  std::fill_n(total, width, 0.0f);

  const std::size_t visible = firstPosition + count;  // to the last new position
  for (std::size_t first = 0; first < visible; first += keyBlock) {
    const std::size_t n = std::min(keyBlock, visible - first);
    const float* keys = head.keys + first * headSize;
    const float* values = head.values + first * headSize;
    std::size_t k = 0;
    for (; k + rows <= n; k += rows)
      multiplyByFours<lanes, vectors, rows>(keys + k * headSize, queries, headSize, scores + k * width);
    for (; k < n; k++) multiplyByFours<lanes, vectors, 1>(keys + k * headSize, queries, headSize, scores + k * width);
    for (k = firstPosition < first ? 0 : firstPosition + 1 - first; k < n; k++)  // keys after a position are hidden
      std::fill_n(scores + k * width, first + k - firstPosition, lowest);

    weigh<lanes, vectors>(scores, n, highest, total, corrections);
    for (std::size_t d = 0; d < headSize; d += rows)
      addColumns<lanes, vectors, rows>(values + d, headSize, scores, n, output + d * width, corrections);
  }

  for (std::size_t q = 0; q < count; q++) {
    float* result = head.output + (begin + q) * head.outputStride;
    const float share = 1 / total[q];
    for (std::size_t d = 0; d < headSize; d++) result[d] = output[d * width + q] * share;
  }
}

/** As many registers' worth of lanes as there are new positions left, up to four. */
template <int lanes, int mostVectors>
INHOUSE_INLINE void attendUpTo(const AttentionHead& head, std::size_t begin, float* scratch) {
  const std::size_t count = head.newPositions - begin;
  if (count <= lanes) {
    attendBlock<lanes, 1, 8>(head, begin, scratch);
  } else if (count <= 2 * lanes || mostVectors == 2) {
    attendBlock<lanes, 2, mostVectors == 2 ? 4 : 8>(head, begin, scratch);
  } else {
    attendBlock<lanes, mostVectors, 4>(head, begin, scratch);
  }
}

// A set of functions for one kind of processor; with fused products in all of them or in none, so that all round alike.
// Wide vectors do not divide every head.
#define INHOUSE_KERNELS(name, target, lanes, mostVectors)                                                \
  target void name##One64(const AttentionHead& head, const AttentionHead* upcoming, float* scratch) {   \
    attendOne<lanes, 64>(head, upcoming, scratch);                                                       \
  }                                                                                                      \
  target void name##One(const AttentionHead& head, const AttentionHead* upcoming, float* scratch) {      \
    if (lanes > 8 && head.headSize % lanes != 0) {                                                       \
      attendOne<(lanes > 8 ? 8 : lanes), 0>(head, upcoming, scratch);                                    \
    } else {                                                                                             \
      attendOne<lanes, 0>(head, upcoming, scratch);                                                      \
    }                                                                                                    \
  }                                                                                                      \
  target void name##Block(const AttentionHead& head, std::size_t begin, float* scratch) {                \
    attendUpTo<lanes, mostVectors>(head, begin, scratch);                                                \
  }                                                                                                      \
  constexpr AttentionKernels name##Size64 = {lanes * mostVectors, name##One64, name##Block};                 \
  constexpr AttentionKernels name = {lanes * mostVectors, name##One, name##Block};

#if defined(__x86_64__) && defined(INHOUSE_VECTORS)
INHOUSE_KERNELS(avx512, __attribute__((target("avx512f,fma"))), 16, 4)
INHOUSE_KERNELS(avx2, __attribute__((target("avx2,fma"))), 8, 2)
#endif
INHOUSE_KERNELS(basic, , 4, 2)
#undef INHOUSE_KERNELS

}  // namespace

std::size_t AttentionKernels::scratchLength(std::size_t headSize) const {
  return (blockLength * (2 * headSize + keyBlock + 3) + 15) / 16 * 16;
}

const AttentionKernels& attentionKernels(std::size_t headSize) {
#if defined(__x86_64__) && defined(INHOUSE_VECTORS)
  const bool fused = __builtin_cpu_supports("fma");
  if (fused && __builtin_cpu_supports("avx512f")) return headSize == 64 ? avx512Size64 : avx512;
  if (fused && __builtin_cpu_supports("avx2")) return headSize == 64 ? avx2Size64 : avx2;
#endif
  return headSize == 64 ? basicSize64 : basic;
}

}  // namespace inhouse
