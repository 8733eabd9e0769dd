// Opening the library and filling in its functions.
#include "api.h"

#include "../failure.h"
#include "../platform/dynamic_library.h"

namespace inhouse {
namespace {

struct OrtApiBase {
  const void* (*getApi)(std::uint32_t version);
  const char* (*getVersionString)();
};

const OrtApiBase& openLibrary(const std::string& path) {
  using GetApiBase = const OrtApiBase* (*)();
  try {
    if (auto getApiBase = DynamicLibrary(path).find<GetApiBase>("OrtGetApiBase")) return *getApiBase();
  } catch (const std::runtime_error& error) {
    throw Failure(code::runtimeLoad,
                  "Cannot open ONNX Runtime's library " + path + ": " + error.what() +
                      ". It is part of onnxruntime-node; reinstalling that package brings it back.");
  }
  throw Failure(code::runtimeLoad,
                path + " is not ONNX Runtime's library: it does not export OrtGetApiBase.");
}

}  // namespace

Api::Api(const std::string& path) {
  const OrtApiBase& base = openLibrary(path);
  version_ = base.getVersionString();
  const void* table = base.getApi(ortApiVersion);
  if (table == nullptr) {
    throw Failure(code::runtimeLoad, "ONNX Runtime " + version_ + " (" + path + ") is too old: 1." +
                                         std::to_string(ortApiVersion) + " or newer is needed.");
  }
  const void* const* slots = static_cast<const void* const*>(table);
#define INHOUSE_FILL(slot, name, result, parameters) \
  name = reinterpret_cast<result(*) parameters>(const_cast<void*>(slots[slot]));
  INHOUSE_ORT_SLOTS(INHOUSE_FILL)
#undef INHOUSE_FILL
}

void Api::check(OrtStatus* status) const {
  if (status == nullptr) return;
  OrtError error(GetErrorCode(status), GetErrorMessage(status));
  ReleaseStatus(status);
  throw error;
}

}  // namespace inhouse
