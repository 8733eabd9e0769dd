// The struct through which ONNX Runtime calls an operator: OrtCustomOp of onnxruntime_c_api.h (MIT), header version 29.
// It only ever grows at its end, and `version` says up to where it is filled in; what is not needed may be null.
#pragma once

#include <cstddef>
#include <cstdint>

#include "api_table.h"

struct OrtShapeInferContext;

struct OrtCustomOp {
  std::uint32_t version;

  void* (*CreateKernel)(const OrtCustomOp*, const void* api, const OrtKernelInfo*);  // CreateKernelV2 takes its place
  const char* (*GetName)(const OrtCustomOp*);
  const char* (*GetExecutionProviderType)(const OrtCustomOp*);  // null: the CPU's

  int (*GetInputType)(const OrtCustomOp*, std::size_t);  // ONNXTensorElementDataType
  std::size_t (*GetInputTypeCount)(const OrtCustomOp*);
  int (*GetOutputType)(const OrtCustomOp*, std::size_t);
  std::size_t (*GetOutputTypeCount)(const OrtCustomOp*);

  void (*KernelCompute)(void* kernel, OrtKernelContext*);  // KernelComputeV2 takes its place
  void (*KernelDestroy)(void* kernel);

  int (*GetInputCharacteristic)(const OrtCustomOp*, std::size_t);  // OrtCustomOpInputOutputCharacteristic
  int (*GetOutputCharacteristic)(const OrtCustomOp*, std::size_t);
  int (*GetInputMemoryType)(const OrtCustomOp*, std::size_t);  // OrtMemType

  int (*GetVariadicInputMinArity)(const OrtCustomOp*);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp*);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp*);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp*);

  OrtStatus* (*CreateKernelV2)(const OrtCustomOp*, const void* api, const OrtKernelInfo*, void** kernel);
  OrtStatus* (*KernelComputeV2)(void* kernel, OrtKernelContext*);
  OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp*, OrtShapeInferContext*);

  int (*GetStartVersion)(const OrtCustomOp*);
  int (*GetEndVersion)(const OrtCustomOp*);
  std::size_t (*GetMayInplace)(int** inputs, int** outputs);
  void (*ReleaseMayInplace)(int* inputs, int* outputs);
  std::size_t (*GetAliasMap)(int** inputs, int** outputs);
  void (*ReleaseAliasMap)(int* inputs, int* outputs);
};
