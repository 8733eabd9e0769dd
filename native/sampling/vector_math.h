// The loops over a whole vocabulary, compiled once per vector width of the processor and picked when the addon loads.
// Values are handled in blocks, whose results let a caller skip most of the vocabulary in its next look at it.
#pragma once

#include <cstddef>

namespace inhouse {

inline constexpr std::size_t blockLength = 64;

inline std::size_t blockCount(std::size_t length) { return (length + blockLength - 1) / blockLength; }

/** The largest value of each block; NaN counts as less than everything. */
void blockMaxima(const float* values, std::size_t length, float* maxima);
void blockMaxima(const double* values, std::size_t length, double* maxima);

/** result[i] = values[i] */
void widen(const float* values, std::size_t length, double* result);

/** weights[i] = exp((values[i] - largest) * scale), for values up to `largest`; also the sum of each block. */
void exponentials(const double* values, std::size_t length, double largest, double scale, double* weights,
                  double* blockSums);

/** The sum of exp(values[i] - largest), for values up to `largest`. */
double sumOfExponentials(const float* values, std::size_t length, float largest);

}  // namespace inhouse
