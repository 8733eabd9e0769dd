// Compares the kernels of products, those of every instruction set that this processor has, with exact integer arithmetic
// in double precision. Prints what differs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../../native/platform/posix.cc"
#include "../../native/platform/processor.cc"
#include "../../native/products/kernels.h"
#include "../../native/products/packed_matrix.cc"

using namespace inhouse;

namespace {

std::mt19937 generator(11);
int failures = 0;

std::size_t integer(std::size_t least, std::size_t most) {
  return std::uniform_int_distribution<std::size_t>(least, most)(generator);
}

std::vector<float> normal(std::size_t length, float deviation) {
  std::normal_distribution<float> distribution(0, deviation);
  std::vector<float> values(length);
  for (float& value : values) value = distribution(generator);
  return values;
}

std::vector<std::uint8_t> bytes(std::size_t length) {
  std::vector<std::uint8_t> values(length);
  for (std::uint8_t& value : values) value = static_cast<std::uint8_t>(integer(0, 255));
  return values;
}

/** A stored matrix with random codes, and rows to multiply with it. */
struct Case {
  BlockGrid grid;
  std::size_t rows;
  std::vector<std::uint8_t> codes, zeroPoints;
  std::vector<float> scales;             // [outputs, blocks]; at 4 bits, numbers that bfloat16 holds
  std::vector<std::uint16_t> bfloat16s;  // the same
  std::vector<float> x, bias;

  Case(std::size_t bits, std::size_t block)
      : grid{integer(1, 700), integer(1, 100), bits, block},
        rows(integer(1, 30)),
        codes(bytes(grid.outputs * grid.paddedInputs() * bits / 8)),
        zeroPoints(bytes(grid.outputs * ((grid.blocks() + 1) / 2))),
        scales(normal(grid.outputs * grid.blocks(), 0.01f)),
        x(normal(rows * grid.inputs, 3)),
        bias(normal(grid.outputs, 1)) {
    for (float& scale : scales) {
      std::uint32_t word;
      std::memcpy(&word, &scale, sizeof word);
      bfloat16s.push_back(static_cast<std::uint16_t>(word >> 16));
      if (bits == 4) word &= 0xffff0000u;
      std::memcpy(&scale, &word, sizeof word);
    }
    if (integer(0, 3) == 0) std::fill_n(x.data() + integer(0, rows - 1) * grid.inputs, grid.inputs, 0.0f);
    if (integer(0, 3) == 0) x[integer(0, x.size() - 1)] *= 1e6f;
  }

  PackedMatrix packed() const {
    return PackedMatrix(grid, {codes.data(), grid.bits == 8 ? static_cast<const void*>(scales.data()) : bfloat16s.data(),
                               zeroPoints.data()});
  }

  int weight(std::size_t output, std::size_t input) const {
    const std::size_t at = output * grid.paddedInputs() + input;
    if (grid.bits == 8) return codes[at] - 128;
    const auto half = [](std::uint8_t byte, std::size_t i) { return i % 2 == 0 ? byte & 15 : byte >> 4; };
    const std::size_t b = input / grid.block;
    return half(codes[at / 2], at) - half(zeroPoints[output * ((grid.blocks() + 1) / 2) + b / 2], b);
  }

  /** Inputs rounded as the kernels say, all else exact; and how large the terms are together. */
  void expected(std::size_t row, std::size_t output, double& product, double& magnitude) const {
    product = magnitude = 0;
    for (std::size_t b = 0; b < grid.blocks(); b++) {
      const float* from = x.data() + row * grid.inputs + b * grid.block;
      const std::size_t length = std::min(grid.block, grid.inputs - b * grid.block);
      float largest = 0;
      for (std::size_t i = 0; i < length; i++) largest = std::max(largest, std::fabs(from[i]));
      if (largest == 0) continue;
      const float inverse = 127 / largest;
      double sum = 0;
      for (std::size_t i = 0; i < length; i++)
        sum += std::nearbyint(from[i] * inverse) * weight(output, b * grid.block + i);
      const double term = sum * (largest / 127) * scales[output * grid.blocks() + b];
      product += term;
      magnitude += std::fabs(term);
    }
    product += bias[output];
    magnitude += std::fabs(bias[output]);
  }
};

/** y [count, outputs] of rows first..first + count. */
std::vector<float> compute(const ProductKernel& kernel, const Case& problem, std::size_t first, std::size_t count) {
  const BlockGrid& grid = problem.grid;
  const PackedMatrix matrix = problem.packed();
  std::vector<std::int8_t> values(count * grid.paddedInputs(), 77);
  std::vector<float> scales(count * grid.blocks());
  std::vector<std::int32_t> negativeSums(count * grid.blocks());
  const RoundedRows rounded{values.data(), scales.data(), negativeSums.data()};
  for (std::size_t row = 0; row < count; row++)
    kernel.roundRow(grid, problem.x.data() + (first + row) * grid.inputs, rounded.from(row, grid));

  std::vector<float> y(count * grid.outputs, 12345.0f);
  for (std::size_t panel = 0; panel < grid.panels(); panel++) {
    const std::size_t output = panel * panelOutputs;
    kernel.multiply(grid, matrix.panel(panel), rounded, count, problem.bias.data() + output, y.data() + output,
                    grid.outputs, std::min(panelOutputs, grid.outputs - output));
  }
  return y;
}

void fail(const char* kernel, const Case& problem, const char* what, double value = 0) {
  const BlockGrid& grid = problem.grid;
  std::printf("%s: %s (%g): %zu rows, K %zu, N %zu, %zu bits, blocks of %zu\n", kernel, what, value, problem.rows,
              grid.inputs, grid.outputs, grid.bits, grid.block);
  failures++;
}

void check(const char* name, const ProductKernel& kernel, std::size_t bits, std::size_t block) {
  Case problem(bits, block);
  const std::size_t outputs = problem.grid.outputs;
  const std::vector<float> y = compute(kernel, problem, 0, problem.rows);
  double worst = 0;
  for (std::size_t row = 0; row < problem.rows; row++) {
    for (std::size_t output = 0; output < outputs; output++) {
      double product, magnitude;
      problem.expected(row, output, product, magnitude);
      worst = std::max(worst, std::fabs(y[row * outputs + output] - product) / magnitude);
    }
  }
  // Float32 rounds once per block, and once for each scale.
  if (!(worst < 1e-6)) fail(name, problem, "differs from exact arithmetic", worst);

  for (std::size_t row = 0; row < problem.rows; row++) {
    const std::vector<float> alone = compute(kernel, problem, row, 1);
    if (std::memcmp(alone.data(), y.data() + row * outputs, outputs * sizeof(float)) != 0)
      fail(name, problem, "a row differs alone");
  }

  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Case tainted = problem;
    const std::size_t at = integer(0, tainted.x.size() - 1);
    tainted.x[at] = bad;
    const std::vector<float> result = compute(kernel, tainted, 0, problem.rows);
    for (std::size_t i = 0; i < y.size(); i++) {
      const bool isTainted = i / outputs == at / problem.grid.inputs;
      if (isTainted ? std::isfinite(result[i]) : result[i] != y[i]) return fail(name, problem, "NaN or infinity", bad);
    }
  }
}

void checkAll(const char* name, const ProductKernel& kernel) {
  for (const std::size_t bits : {8, 4}) {
    for (const std::size_t block : {16, 32, 64, 128, 256}) {
      for (int i = 0; i < 20; i++) check(name, kernel, bits, block);
    }
  }
  std::printf("%s checked\n", name);
}

}  // namespace

int main() {
  const ProcessorFeatures features = processorFeatures();
  if (features.avx512Vnni) checkAll("AVX-512", avx512Kernel);
  if (features.avxVnni) checkAll("AVX", avxKernel);
  if (!features.avx512Vnni && !features.avxVnni) std::printf("this processor has none\n");
  return failures == 0 ? 0 : 1;
}
