#include "copy_bandwidth.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "cuda_context.h"

namespace inhouse {
namespace {

/** A block of the GPU's memory. The context is in use while it lives. */
class Block {
 public:
  Block(const CudaContext& context, std::size_t bytes) : driver_(context.driver()) {
    context.check(driver_.allocate(&address_, bytes), "allocate " + std::to_string(bytes) + " bytes");
  }
  ~Block() { driver_.free(address_); }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  cuda::Pointer address() const { return address_; }

 private:
  const CudaDriver& driver_;
  cuda::Pointer address_ = 0;
};

}  // namespace

double measureCopyBandwidth(int deviceId, std::size_t bytes, int repetitions) {
  const CudaContext context(deviceId);
  const CudaContext::Use use(context);
  const Block from(context, bytes);
  const Block to(context, bytes);
  context.check(context.driver().fill(from.address(), 1, bytes), "fill memory");

  const auto timeOneCopy = [&] {
    context.check(context.driver().synchronise(), "finish what it does");
    const auto begin = std::chrono::steady_clock::now();
    context.check(context.driver().copyWithin(to.address(), from.address(), bytes), "copy its memory");
    context.check(context.driver().synchronise(), "finish a copy");
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  timeOneCopy();
  std::vector<double> seconds;
  for (int repetition = 0; repetition < repetitions; repetition++) seconds.push_back(timeOneCopy());
  const auto median = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), median, seconds.end());
  return 2 * static_cast<double>(bytes) / *median;
}

}  // namespace inhouse
