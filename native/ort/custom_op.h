// An operator of our own in ONNX Runtime's terms: what it asks of an operator, and what it offers a running one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "custom_op_table.h"
#include "handle.h"

namespace inhouse {

/** The tensors and threads of one run of one node. */
class KernelContext {
 public:
  KernelContext(const Api& api, OrtKernelContext* context) : api_(api), context_(context) {}

  std::vector<std::int64_t> shape(std::size_t input) const;

  /** Null where an optional input is not given. */
  template <class T>
  const T* input(std::size_t index) const {
    return static_cast<const T*>(inputData(index));
  }

  /** An input that is written too: memory of the caller's, bound for that purpose. */
  template <class T>
  T* inputInPlace(std::size_t index) const {
    return static_cast<T*>(inputData(index));
  }

  template <class T>
  T* output(std::size_t index, const std::vector<std::int64_t>& shape) const {
    return static_cast<T*>(outputData(index, shape));
  }

  /** Calls work(i) for every i < count on the session's threads, and returns when all are done. It must not throw. */
  template <class Work>
  void parallel(std::size_t count, const Work& work) const {
    const auto call = [](void* target, std::size_t i) { (*static_cast<const Work*>(target))(i); };
    api_.check(api_.KernelContext_ParallelFor(context_, call, count, 0, const_cast<Work*>(&work)));
  }

 private:
  void* inputData(std::size_t index) const;
  void* outputData(std::size_t index, const std::vector<std::int64_t>& shape) const;

  const Api& api_;
  OrtKernelContext* context_;
};

/** The bytes of a tensor that is part of the model. */
struct ConstantInput {
  const void* data;
  std::size_t bytes;
};

/** The attributes of one node, and its inputs that never change. */
class NodeInfo {
 public:
  NodeInfo(const Api& api, const OrtKernelInfo* info) : api_(api), info_(info) {}
  float number(const char* attribute) const;
  std::int64_t integer(const char* attribute) const;

  /** Throws std::runtime_error unless the input is a constant of so many bytes. The data stays as long as the session. */
  ConstantInput constant(std::size_t input, std::size_t bytes) const;

 private:
  const Api& api_;
  const OrtKernelInfo* info_;
};

/** One node of a graph. What it throws fails the run. */
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void compute(const KernelContext& context) = 0;
};

/** Outlives every session that it is registered with. */
class CustomOp : public OrtCustomOp {
 public:
  /** Types are ONNXTensorElementDataType. Inputs from `requiredInputs` on may be left out. */
  CustomOp(const Api& api, const char* name, std::vector<int> inputTypes, std::vector<int> outputTypes,
           std::size_t requiredInputs = static_cast<std::size_t>(-1));
  virtual ~CustomOp() = default;
  CustomOp(const CustomOp&) = delete;
  CustomOp& operator=(const CustomOp&) = delete;

  virtual std::unique_ptr<Kernel> create(const NodeInfo& node) = 0;

 private:
  struct Instance;

  const Api& api_;
  const char* name_;
  std::vector<int> inputTypes_;
  std::vector<int> outputTypes_;
  std::size_t requiredInputs_;
};

}  // namespace inhouse
