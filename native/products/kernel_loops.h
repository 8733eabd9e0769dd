// The loops of a product over one instruction set's vectors. Included by the file of each, inside its target region and
// a namespace without name, after the struct `Vectors` that names its instructions. Nothing of the standard library may be
// called here: the linker could give code compiled in such a region to processors that lack its instructions.

/**
 * Exact sums of one block for `rows` rows and two vectors of outputs. Built row by row, because compilers keep the fields
 * of such a thing in registers, but not the elements of an array.
 */
template <int rows>
struct BlockSums {
  BlockSums<rows - 1> others;
  Vectors::Int left, right;  // of the last row

  INHOUSE_INLINE void start(Vectors::Int leftZeros, Vectors::Int rightZeros, const std::int32_t* negativeSums,
                            std::size_t blocks) {
    others.start(leftZeros, rightZeros, negativeSums, blocks);
    const auto negativeSum = Vectors::broadcast(negativeSums[(rows - 1) * blocks]);
    left = Vectors::multiplyShorts(leftZeros, negativeSum);
    right = Vectors::multiplyShorts(rightZeros, negativeSum);
  }

  /** `values` are four of the first row's; those of others follow after `stride` each. */
  INHOUSE_INLINE void add(Vectors::Int leftCodes, Vectors::Int rightCodes, const std::int8_t* values,
                          std::size_t stride) {
    others.add(leftCodes, rightCodes, values, stride);
    const auto four = Vectors::broadcastFour(values + (rows - 1) * stride);
    left = Vectors::multiplyAdd(left, leftCodes, four);
    right = Vectors::multiplyAdd(right, rightCodes, four);
  }

  /** totals [rows, 2 vectors] += sums * scales of outputs * scales of rows */
  INHOUSE_INLINE void addTo(float* totals, Vectors::Float leftScale, Vectors::Float rightScale, const float* rowScales,
                            std::size_t blocks) const {
    using V = Vectors;
    others.addTo(totals, leftScale, rightScale, rowScales, blocks);
    const auto rowScale = V::broadcast(rowScales[(rows - 1) * blocks]);
    float* total = totals + (rows - 1) * 2 * V::lanes;
    V::store(total, V::multiplyAdd(V::toFloat(left), V::multiply(leftScale, rowScale), V::load(total)));
    total += V::lanes;
    V::store(total, V::multiplyAdd(V::toFloat(right), V::multiply(rightScale, rowScale), V::load(total)));
  }
};

template <>
struct BlockSums<0> {
  void start(Vectors::Int, Vectors::Int, const std::int32_t*, std::size_t) {}
  void add(Vectors::Int, Vectors::Int, const std::int8_t*, std::size_t) {}
  void addTo(float*, Vectors::Float, Vectors::Float, const float*, std::size_t) const {}
};

/** Codes of 8 bits: a step of the loop takes 4 inputs. */
struct Codes8 {
  static constexpr std::size_t stepInputs = groupInputs;

  template <int rows>
  INHOUSE_INLINE static void step(BlockSums<rows>& sums, const std::uint8_t* codes, const std::int8_t* values,
                                  std::size_t stride) {
    sums.add(Vectors::loadCodes(codes), Vectors::loadCodes(codes + Vectors::lanes * groupInputs), values, stride);
  }

  /** `side` is what follows a block's codes, `output` the first of the vector's. */
  static Vectors::Int zeros(const std::uint8_t*, std::size_t) { return Vectors::broadcast(std::int32_t{128}); }
  static Vectors::Float scales(const std::uint8_t* side, std::size_t output) {
    return Vectors::load(reinterpret_cast<const float*>(side) + output);
  }
};

/** Codes of 4 bits: a step of the loop takes 8 inputs. */
struct Codes4 {
  static constexpr std::size_t stepInputs = 2 * groupInputs;

  template <int rows>
  INHOUSE_INLINE static void step(BlockSums<rows>& sums, const std::uint8_t* codes, const std::int8_t* values,
                                  std::size_t stride) {
    using V = Vectors;
    const auto left = V::loadCodes(codes);
    const auto right = V::loadCodes(codes + V::lanes * groupInputs);
    sums.add(V::lowHalves(left), V::lowHalves(right), values, stride);
    sums.add(V::highHalves(left), V::highHalves(right), values + groupInputs, stride);
  }

  static Vectors::Int zeros(const std::uint8_t* side, std::size_t output) {
    return Vectors::widenBytes(side + panelOutputs * sizeof(std::uint16_t) + output);
  }
  static Vectors::Float scales(const std::uint8_t* side, std::size_t output) {
    return Vectors::widenBfloat16(side + output * sizeof(std::uint16_t));
  }
};

/** How far ahead codes are fetched in bytes: far enough that the sums of 8 rows hide the way from memory. */
constexpr std::size_t fetchedAhead = 4096;

/**
 * `rows` rows times one panel. Sums of integers are exact; those of floats go over the blocks in their order, whatever
 * `rows` is: that is what makes a row's result independent of its company.
 */
template <class Codes, int rows>
void multiplyTile(const BlockGrid& grid, const std::uint8_t* panel, const RoundedRows& x, const float* bias, float* y,
                  std::size_t yStride, std::size_t columns) {
  using V = Vectors;
  const std::size_t blocks = grid.blocks();
  const std::size_t stride = grid.paddedInputs();
  for (std::size_t first = 0; first < columns; first += 2 * V::lanes) {
    alignas(64) float totals[rows][2][V::lanes] = {};
    for (std::size_t b = 0; b < blocks; b++) {
      const std::uint8_t* codes = panel + b * grid.blockBytes();
      const std::uint8_t* side = codes + grid.codeBytes();
      codes += first * groupInputs;
      BlockSums<rows> sums;
      sums.start(Codes::zeros(side, first), Codes::zeros(side, first + V::lanes), x.negativeSums + b, blocks);
      const std::int8_t* values = x.values + b * grid.block;
      for (const std::int8_t* end = values + grid.block; values < end; values += Codes::stepInputs) {
        _mm_prefetch(reinterpret_cast<const char*>(codes + fetchedAhead), _MM_HINT_T0);
        _mm_prefetch(reinterpret_cast<const char*>(codes + fetchedAhead + 64), _MM_HINT_T0);
        Codes::step(sums, codes, values, stride);
        codes += panelOutputs * groupInputs;
      }
      sums.addTo(totals[0][0], Codes::scales(side, first), Codes::scales(side, first + V::lanes), x.scales + b, blocks);
    }
    for (std::size_t half = 0; half < 2; half++) {
      const std::size_t begin = first + half * V::lanes;
      if (begin >= columns) break;
      const auto kept = V::firstLanes(columns - begin);
      const auto addend = bias == nullptr ? V::zero() : V::load(bias + begin, kept);
      for (int r = 0; r < rows; r++)
        V::store(y + r * yStride + begin, kept, V::add(V::load(totals[r][half]), addend));
    }
  }
}

using Tile = void (*)(const BlockGrid&, const std::uint8_t*, const RoundedRows&, const float*, float*, std::size_t,
                      std::size_t);

/** The functions for tiles of 1, 2, 3 ... rows: as many as have their sums in registers. */
template <class Codes>
constexpr Tile tiles[] = {INHOUSE_TILES(Codes)};

/** As few tiles as can be, as even as can be. */
void multiply(const BlockGrid& grid, const std::uint8_t* panel, const RoundedRows& rows, std::size_t count,
              const float* bias, float* y, std::size_t yStride, std::size_t columns) {
  constexpr std::size_t most = sizeof tiles<Codes8> / sizeof(Tile);
  const Tile* const functions = grid.bits == 8 ? tiles<Codes8> : tiles<Codes4>;
  const std::size_t number = (count + most - 1) / most;
  for (std::size_t tile = 0; tile < number; tile++) {
    const std::size_t begin = count * tile / number;
    const std::size_t end = count * (tile + 1) / number;
    functions[end - begin - 1](grid, panel, rows.from(begin, grid), bias, y + begin * yStride, yStride, columns);
  }
}

/** Blocks this small count as zeros: 127 / largest would be infinite. */
constexpr float leastMagnitude = 1e-36f;

void roundRow(const BlockGrid& grid, const float* x, RoundedRows row) {
  using V = Vectors;
  for (std::size_t b = 0; b < grid.blocks(); b++) {
    const std::size_t begin = b * grid.block;
    const std::size_t length = begin + grid.block <= grid.inputs ? grid.block : grid.inputs - begin;
    auto largest = V::zero();
    auto taint = V::zero();  // becomes NaN where x is NaN or infinite
    for (std::size_t i = 0; i < length; i += V::lanes) {
      const auto some = V::load(x + begin + i, V::firstLanes(length - i));
      largest = V::maximum(largest, V::magnitude(some));
      taint = V::multiplyAdd(some, V::zero(), taint);
    }
    const float magnitude = V::largestLane(largest);
    const bool isZero = magnitude < leastMagnitude;
    const auto inverse = V::broadcast(isZero ? 0.0f : 127.0f / magnitude);
    auto negativeSum = V::broadcast(std::int32_t{0});
    for (std::size_t i = 0; i < grid.block; i += V::lanes) {
      const auto some = i < length ? V::load(x + begin + i, V::firstLanes(length - i)) : V::zero();
      const auto rounded = V::toIntFrom(V::multiply(some, inverse), -127);
      V::storeLowBytes(row.values + begin + i, rounded);
      negativeSum = V::subtract(negativeSum, rounded);
    }
    row.scales[b] = (isZero ? 0.0f : magnitude / 127.0f) + V::sumOfLanes(taint);
    row.negativeSums[b] = V::sumOfLanes(negativeSum);
  }
}
