// The operators that a graph may use besides ONNX Runtime's, in the domain `inhouse`. What each means is said in the
// graph itself, as a function (src/graph/), for sessions that do not have them.
#pragma once

#include <memory>
#include <vector>

#include "ort/custom_op.h"

namespace inhouse {

inline constexpr const char* operatorDomain = "inhouse";

/** For one session of so many threads. `ownProducts`: BlockwiseMatMul too, where the processor has what it takes. */
std::vector<std::unique_ptr<CustomOp>> makeOperators(const Api& api, int threads, bool ownProducts);

}  // namespace inhouse
