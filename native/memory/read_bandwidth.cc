#include "read_bandwidth.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#include "../platform/reserved_memory.h"
#include "../platform/vectorised.h"

namespace inhouse {
namespace {

constexpr std::size_t bytesRead = std::size_t{512} << 20;  // several times the largest cache
constexpr int passes = 7;

/**
 * Sums the words in eight streams at once: one stream alone leaves a third of the bandwidth unused, because the
 * prefetchers follow each stream only so far ahead.
 */
INHOUSE_VECTORISED std::uint64_t sumInStreams(const std::uint64_t* words, std::size_t count) {
  const std::size_t n = count / 8;
  std::uint64_t sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < n; i++) {
    sum += words[i] + words[i + n] + words[i + 2 * n] + words[i + 3 * n] + words[i + 4 * n] + words[i + 5 * n] +
           words[i + 6 * n] + words[i + 7 * n];
  }
  return sum;
}

/** Seconds that the threads take to read everything once, each its own part. */
double timeOnePass(const std::uint64_t* words, std::size_t count, int threads, std::atomic<std::uint64_t>& sink) {
  const std::size_t part = count / static_cast<std::size_t>(threads);
  const auto read = [&](int thread) { sink += sumInStreams(words + part * static_cast<std::size_t>(thread), part); };
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (int thread = 1; thread < threads; thread++) others.emplace_back(read, thread);
  read(0);
  for (std::thread& other : others) other.join();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

double measureReadBandwidth(int threads) {
  ReservedMemory memory(bytesRead);
  memory.preferHugePages();
  memory.commit(0, bytesRead);
  auto* words = reinterpret_cast<std::uint64_t*>(memory.data());
  const std::size_t count = bytesRead / sizeof *words;
  for (std::size_t i = 0; i < count; i++) words[i] = i;  // pages that were never written all share one

  std::atomic<std::uint64_t> sink{0};  // keeps the reading from being optimised away
  std::vector<double> seconds;
  for (int pass = 0; pass < passes; pass++) seconds.push_back(timeOnePass(words, count, threads, sink));
  std::nth_element(seconds.begin(), seconds.begin() + passes / 2, seconds.end());
  return static_cast<double>(bytesRead) / seconds[passes / 2];
}

}  // namespace inhouse
