// Element-wise steps of the trainer; kernels.py compiles this file and calls it.
// They exist because torch 1.13's CPU versions of them cost as much as the matrix products.
// bf16 values are passed as uint16_t; "in place" means that the result overwrites the argument.
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

enum { LONGEST_ROW = 65536, SUM_BLOCK = 4096 };

static inline float to_float(bf16 value) {
  uint32_t bits = (uint32_t)value << 16;
  float result;
  memcpy(&result, &bits, 4);
  return result;
}

// Rounds to nearest, ties to even.
static inline bf16 to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return (bf16)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// GPT-2's GELU: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
#define GELU_SCALE 0.7978845608028654f  // sqrt(2 / pi)
#define GELU_CUBIC 0.044715f

static inline float gelu_tanh(float x) {
  float u = GELU_SCALE * (x + GELU_CUBIC * x * x * x);
  return 1.f - 2.f / (1.f + expf(2.f * u));
}

void gelu_fwd(const bf16 *x, bf16 *y, long n) {
  for (long i = 0; i < n; i++) {
    float v = to_float(x[i]);
    y[i] = to_bf16(.5f * v * (1.f + gelu_tanh(v)));
  }
}

// g: d loss / d y -> d: d loss / d x
void gelu_bwd(const bf16 *x, const bf16 *g, bf16 *d, long n) {
  for (long i = 0; i < n; i++) {
    float v = to_float(x[i]);
    float t = gelu_tanh(v);
    float slope = .5f * (1.f + t) + .5f * v * (1.f - t * t) * GELU_SCALE * (1.f + 3.f * GELU_CUBIC * v * v);
    d[i] = to_bf16(to_float(g[i]) * slope);
  }
}

// s: [m][t][t] scores, in place -> causal softmax(scale * s); entries above the diagonal become 0.
void softmax_fwd(bf16 *s, long m, long t, float scale) {
  static float e[LONGEST_ROW];
  for (long row = 0; row < m * t; row++) {
    bf16 *r = s + row * t;
    long n = row % t + 1;
    float largest = -3.0e38f, sum = 0;
    for (long j = 0; j < n; j++) {
      float v = to_float(r[j]);
      largest = v > largest ? v : largest;
    }
    for (long j = 0; j < n; j++) {
      e[j] = expf(scale * (to_float(r[j]) - largest));
      sum += e[j];
    }
    float k = 1.f / sum;
    for (long j = 0; j < n; j++) r[j] = to_bf16(e[j] * k);
    memset(r + n, 0, (t - n) * sizeof(bf16));
  }
}

// p: probabilities; g: d loss / d p, in place -> d loss / d s
void softmax_bwd(const bf16 *p, bf16 *g, long m, long t, float scale) {
  for (long row = 0; row < m * t; row++) {
    const bf16 *a = p + row * t;
    bf16 *r = g + row * t;
    long n = row % t + 1;
    float dot = 0;
    for (long j = 0; j < n; j++) dot += to_float(a[j]) * to_float(r[j]);
    for (long j = 0; j < n; j++) r[j] = to_bf16(scale * to_float(a[j]) * (to_float(r[j]) - dot));
    memset(r + n, 0, (t - n) * sizeof(bf16));
  }
}

// z: [m][v] logits, y: [m] targets. Returns the summed negative log-likelihood in nats;
// with grad != 0, z becomes k * (softmax(z) - onehot(y)).
double xent(bf16 *z, const int64_t *y, long m, long v, float k, int grad) {
  static float e[LONGEST_ROW];
  double loss = 0;
  for (long row = 0; row < m; row++) {
    bf16 *r = z + row * v;
    float largest = -3.0e38f, sum = 0, target = to_float(r[y[row]]);
    for (long j = 0; j < v; j++) {
      float x = to_float(r[j]);
      largest = x > largest ? x : largest;
    }
    for (long j = 0; j < v; j++) {
      e[j] = expf(to_float(r[j]) - largest);
      sum += e[j];
    }
    loss += log(sum) + largest - target;
    if (!grad) continue;
    float q = k / sum;
    e[y[row]] -= sum;
    for (long j = 0; j < v; j++) r[j] = to_bf16(e[j] * q);
  }
  return loss;
}

// out[c]: sums over the n rows of x: [n][c]
void colsum(const bf16 *x, float *out, long n, long c) {
  memset(out, 0, c * sizeof(float));
  for (long i = 0; i < n; i++)
    for (long j = 0; j < c; j++) out[j] += to_float(x[i * c + j]);
}

// Sum of (a + b)^2, in blocks that a float can add up without loss.
double sumsq2(const float *a, const float *b, long n) {
  double sum = 0;
  for (long start = 0; start < n; start += SUM_BLOCK) {
    long end = n - start < SUM_BLOCK ? n : start + SUM_BLOCK;
    float block = 0;
    for (long j = start; j < end; j++) {
      float g = a[j] + b[j];
      block += g * g;
    }
    sum += block;
  }
  return sum;
}

// One AdamW step on p with the gradient scale * (a + b); h receives the bf16 copy of p.
// m, v: moments; wd: weight decay; c1, c2: bias corrections 1 / (1 - b^step).
void adamw(float *p, bf16 *h, const float *a, const float *b, float *m, float *v, long n, float scale,
           float lr, float wd, float b1, float b2, float eps, float c1, float c2) {
  for (long i = 0; i < n; i++) {
    float g = scale * (a[i] + b[i]);
    float mi = m[i] = b1 * m[i] + (1.f - b1) * g;
    float vi = v[i] = b2 * v[i] + (1.f - b2) * g * g;
    float w = p[i] * (1.f - lr * wd) - lr * (mi * c1) / (sqrtf(vi * c2) + eps);
    p[i] = w;
    h[i] = to_bf16(w);
  }
}
