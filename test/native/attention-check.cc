// Compares the attention kernels, those of every vector width, with attention in double precision. Prints what differs.
#include "../../native/attention/attention_kernel.cc"

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

using namespace inhouse;

namespace {

std::mt19937 generator(7);

std::size_t integer(std::size_t least, std::size_t most) {
  return std::uniform_int_distribution<std::size_t>(least, most)(generator);
}

std::vector<float> normal(std::size_t length, float deviation) {
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(length);
  for (float& value : values) value = distribution(generator);
  return values;
}

/** One head with its memory. Rows of queries and outputs lie apart, as they do among other heads. */
struct Case {
  std::size_t newPositions, positions, headSize, stride;
  float scale;
  std::vector<float> queries, keys, values, output;

  Case(std::size_t s, std::size_t past, std::size_t h, float deviation)
      : newPositions(s),
        positions(past + s),
        headSize(h),
        stride(h + 8 * integer(0, 3)),
        scale(1 / std::sqrt(static_cast<float>(h))),
        queries(normal(s * stride, deviation)),
        keys(normal(positions * h, deviation)),
        values(normal(positions * h, 1)),
        output(s * stride, 12345.0f) {}

  /** New positions begin..begin + count, as if those after them had not come yet. */
  AttentionHead head(std::size_t begin, std::size_t count) {
    AttentionHead head;
    head.queries = queries.data() + begin * stride;
    head.keys = keys.data();
    head.values = values.data();
    head.output = output.data() + begin * stride;
    head.stride = head.outputStride = stride;
    head.newPositions = count;
    head.positions = positions - newPositions + begin + count;
    head.headSize = headSize;
    head.scale = scale;
    return head;
  }
};

void compute(const AttentionKernels& kernels, const AttentionHead& head) {
  std::vector<float> scratch(kernels.scratchLength(head.headSize), std::nanf(""));
  if (head.newPositions == 1) return kernels.one(head, nullptr, scratch.data());
  for (std::size_t begin = 0; begin < head.newPositions; begin += kernels.blockLength)
    kernels.block(head, begin, scratch.data());
}

/** softmax(q K^T * scale) V of new position s. */
std::vector<double> expected(const Case& c, std::size_t s) {
  const std::size_t visible = c.positions - c.newPositions + s + 1;
  std::vector<double> weights(visible), result(c.headSize, 0.0);
  double highest = -INFINITY, total = 0;
  for (std::size_t k = 0; k < visible; k++) {
    double dot = 0;
    for (std::size_t d = 0; d < c.headSize; d++)
      dot += static_cast<double>(c.queries[s * c.stride + d]) * c.keys[k * c.headSize + d];
    weights[k] = dot * c.scale;
    highest = std::max(highest, weights[k]);
  }
  for (double& weight : weights) total += weight = std::exp(weight - highest);
  for (std::size_t k = 0; k < visible; k++)
    for (std::size_t d = 0; d < c.headSize; d++) result[d] += weights[k] / total * c.values[k * c.headSize + d];
  return result;
}

bool sayDifference(const char* name, const Case& c, const char* what, double difference) {
  std::printf("%s: S %zu, %zu positions, head size %zu: %s %g\n", name, c.newPositions, c.positions, c.headSize, what,
              difference);
  return false;
}

bool agrees(const char* name, const AttentionKernels& kernels, Case c, double tolerance) {
  compute(kernels, c.head(0, c.newPositions));
  double worst = 0;
  for (std::size_t s = 0; s < c.newPositions; s++) {
    const auto wanted = expected(c, s);
    for (std::size_t d = 0; d < c.stride; d++) {
      const float actual = c.output[s * c.stride + d];
      if (d >= c.headSize && actual != 12345.0f) return sayDifference(name, c, "wrote beyond the head", actual);
      if (d < c.headSize) worst = std::max(worst, std::abs(actual - wanted[d]));
    }
  }
  return worst <= tolerance || sayDifference(name, c, "off by", worst);
}

/** Chunks of any lengths give the very bits that all at once give: a decode step is a chunk of one. */
bool ignoresChunks(const char* name, const AttentionKernels& kernels, Case c) {
  compute(kernels, c.head(0, c.newPositions));
  const std::vector<float> whole = c.output;
  std::size_t length;
  for (std::size_t begin = 0; begin < c.newPositions; begin += length) {
    length = integer(0, 1) == 0 ? 1 : integer(1, c.newPositions - begin);
    compute(kernels, c.head(begin, length));
  }
  for (std::size_t i = 0; i < whole.size(); i++)
    if (c.output[i] != whole[i])
      return sayDifference(name, c, "not the same in chunks, off by", static_cast<double>(c.output[i] - whole[i]));
  return true;
}

bool passesNanOn(const char* name, const AttentionKernels& kernels, Case c) {
  c.keys[(c.positions - c.newPositions) * c.headSize] = std::nanf("");
  compute(kernels, c.head(0, c.newPositions));
  for (std::size_t s = 0; s < c.newPositions; s++)
    if (!std::isnan(c.output[s * c.stride])) return sayDifference(name, c, "NaN became", c.output[s * c.stride]);
  return true;
}

int check(const char* name, bool supported, const AttentionKernels& forAll, const AttentionKernels& for64) {
  if (!supported) return 0;
  int failures = 0;
  for (int i = 0; i < 150; i++) {
    const std::size_t headSize = std::vector<std::size_t>{8, 16, 24, 40, 64, 80, 128}[integer(0, 6)];
    const std::size_t past = integer(0, 1) * integer(0, 300);
    const std::size_t s = i % 2 == 0 ? 1 : integer(2, 200);
    const AttentionKernels& kernels = headSize == 64 && i % 3 != 0 ? for64 : forAll;
    failures += !agrees(name, kernels, Case(s, past, headSize, 1), 3e-6);
    failures += !agrees(name, kernels, Case(s, past, headSize, 30), 2e-3);  // scores in the hundreds
    failures += !ignoresChunks(name, kernels, Case(integer(2, 200), past, headSize, 1));
    failures += !passesNanOn(name, kernels, Case(s, past, headSize, 1));
  }
  std::printf("%s checked\n", name);
  return failures;
}

}  // namespace

int main() {
  int failures = check("basic", true, basic, basicSize64);
#if defined(__x86_64__) && defined(INHOUSE_VECTORS)
  const bool hasAvx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  failures += check("avx2", hasAvx2, avx2, avx2Size64);
  failures += check("avx512", __builtin_cpu_supports("avx512f"), avx512, avx512Size64);
#endif
  return failures == 0 ? 0 : 1;
}
