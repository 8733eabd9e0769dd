// The functions that ONNX Runtime calls, and those that a kernel calls back. No exception crosses them.
#include "custom_op.h"

#include <exception>
#include <stdexcept>
#include <string>

namespace inhouse {

struct CustomOp::Instance {
  const Api& api;
  std::unique_ptr<Kernel> kernel;

  template <class Work>
  static OrtStatus* guarded(const Api& api, Work work) {
    try {
      work();
      return nullptr;
    } catch (const std::exception& error) {
      return api.CreateStatus(ort::fail, error.what());
    }
  }

  static OrtStatus* create(const OrtCustomOp* table, const void*, const OrtKernelInfo* info, void** instance) {
    auto& op = const_cast<CustomOp&>(static_cast<const CustomOp&>(*table));
    return guarded(op.api_, [&] { *instance = new Instance{op.api_, op.create(NodeInfo(op.api_, info))}; });
  }

  static OrtStatus* compute(void* instance, OrtKernelContext* context) {
    const auto& [api, kernel] = *static_cast<Instance*>(instance);
    return guarded(api, [&, &api = api, &kernel = kernel] { kernel->compute(KernelContext(api, context)); });
  }

  static void destroy(void* instance) { delete static_cast<Instance*>(instance); }
};

CustomOp::CustomOp(const Api& api, const char* name, std::vector<int> inputTypes, std::vector<int> outputTypes,
                   std::size_t requiredInputs)
    : OrtCustomOp{},
      api_(api),
      name_(name),
      inputTypes_(std::move(inputTypes)),
      outputTypes_(std::move(outputTypes)),
      requiredInputs_(requiredInputs) {
  version = ortApiVersion;
  GetName = [](const OrtCustomOp* op) { return static_cast<const CustomOp*>(op)->name_; };
  GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  GetInputType = [](const OrtCustomOp* op, std::size_t i) { return static_cast<const CustomOp*>(op)->inputTypes_[i]; };
  GetInputTypeCount = [](const OrtCustomOp* op) { return static_cast<const CustomOp*>(op)->inputTypes_.size(); };
  GetOutputType = [](const OrtCustomOp* op, std::size_t i) { return static_cast<const CustomOp*>(op)->outputTypes_[i]; };
  GetOutputTypeCount = [](const OrtCustomOp* op) { return static_cast<const CustomOp*>(op)->outputTypes_.size(); };
  GetInputCharacteristic = [](const OrtCustomOp* op, std::size_t i) {
    return i < static_cast<const CustomOp*>(op)->requiredInputs_ ? ort::inputRequired : ort::inputOptional;
  };
  GetOutputCharacteristic = [](const OrtCustomOp*, std::size_t) { return ort::inputRequired; };
  GetInputMemoryType = [](const OrtCustomOp*, std::size_t) { return ort::memoryDefault; };
  CreateKernelV2 = Instance::create;
  KernelComputeV2 = Instance::compute;
  KernelDestroy = Instance::destroy;
}

std::vector<std::int64_t> KernelContext::shape(std::size_t input) const {
  const OrtValue* value = nullptr;
  api_.check(api_.KernelContext_GetInput(context_, input, &value));
  const auto info = inhouse::create(api_, api_.ReleaseTensorTypeAndShapeInfo, api_.GetTensorTypeAndShape, value);
  std::size_t rank = 0;
  api_.check(api_.GetDimensionsCount(info.get(), &rank));
  std::vector<std::int64_t> shape(rank);
  api_.check(api_.GetDimensions(info.get(), shape.data(), rank));
  return shape;
}

void* KernelContext::inputData(std::size_t index) const {
  const OrtValue* value = nullptr;
  void* data = nullptr;
  api_.check(api_.KernelContext_GetInput(context_, index, &value));
  if (value == nullptr) return nullptr;
  api_.check(api_.GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  return data;
}

void* KernelContext::outputData(std::size_t index, const std::vector<std::int64_t>& shape) const {
  OrtValue* value = nullptr;
  void* data = nullptr;
  api_.check(api_.KernelContext_GetOutput(context_, index, shape.data(), shape.size(), &value));
  api_.check(api_.GetTensorMutableData(value, &data));
  return data;
}

float NodeInfo::number(const char* attribute) const {
  float value = 0;
  api_.check(api_.KernelInfoGetAttribute_float(info_, attribute, &value));
  return value;
}

std::int64_t NodeInfo::integer(const char* attribute) const {
  std::int64_t value = 0;
  api_.check(api_.KernelInfoGetAttribute_int64(info_, attribute, &value));
  return value;
}

ConstantInput NodeInfo::constant(std::size_t input, std::size_t bytes) const {
  int isConstant = 0;
  const OrtValue* value = nullptr;
  api_.check(api_.KernelInfoGetConstantInput_tensor(info_, input, &isConstant, &value));
  std::size_t held = 0;
  if (isConstant != 0) api_.check(api_.GetTensorSizeInBytes(value, &held));
  if (isConstant == 0 || held != bytes)
    throw std::runtime_error("Input " + std::to_string(input) + " must be a constant of " + std::to_string(bytes) +
                             " bytes; " + (isConstant == 0 ? "it is none." : "it has " + std::to_string(held) + "."));
  void* data = nullptr;
  api_.check(api_.GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  return {data, held};
}

}  // namespace inhouse
