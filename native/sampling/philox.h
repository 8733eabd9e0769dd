// Philox4x32-10, a counter-based random generator: the n-th number of a stream is computed, not remembered.
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
// The same numbers as src/runtime/sampling/philox.ts.
#pragma once

#include <array>
#include <cstdint>

namespace inhouse {

using PhiloxWords = std::array<std::uint32_t, 4>;

/** Four words for a 128-bit counter and a 64-bit key (least significant word first). */
inline PhiloxWords philox4x32(PhiloxWords x, std::array<std::uint32_t, 2> key) {
  constexpr int rounds = 10;
  constexpr std::uint64_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t weyl0 = 0x9E3779B9, weyl1 = 0xBB67AE85;
  for (int round = 0; round < rounds; round++) {
    const std::uint64_t product0 = multiplier0 * x[0];
    const std::uint64_t product1 = multiplier1 * x[2];
    x = {static_cast<std::uint32_t>(product1 >> 32) ^ x[1] ^ key[0], static_cast<std::uint32_t>(product1),
         static_cast<std::uint32_t>(product0 >> 32) ^ x[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += weyl0;
    key[1] += weyl1;
  }
  return x;
}

/** The uniform number in [0, 1), with 53 random bits, of draw number `position` of a request. */
inline double uniform(std::uint64_t seed, std::uint64_t position, std::uint32_t stream) {
  const auto low = [](std::uint64_t n) { return static_cast<std::uint32_t>(n); };
  const auto high = [](std::uint64_t n) { return static_cast<std::uint32_t>(n >> 32); };
  const PhiloxWords words = philox4x32({low(position), high(position), stream, 0}, {low(seed), high(seed)});
  const std::uint64_t bits = (static_cast<std::uint64_t>(words[0] >> 5) << 26) | (words[1] >> 6);
  return static_cast<double>(bits) / 9007199254740992.0;  // 2^53
}

}  // namespace inhouse
