// The functions of the addon that tell of memory. src/runtime/native/addon.ts says what each takes and gives.
#pragma once

#include <napi.h>

namespace inhouse {

Napi::Value processMemory(const Napi::CallbackInfo& info);
Napi::Value cgroupMemoryLimit(const Napi::CallbackInfo& info);
Napi::Value gpus(const Napi::CallbackInfo& info);
Napi::Value readBandwidth(const Napi::CallbackInfo& info);
Napi::Value deviceCopyBandwidth(const Napi::CallbackInfo& info);

}  // namespace inhouse
