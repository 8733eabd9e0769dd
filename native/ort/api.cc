// Opening the library and filling in its functions.
#include "api.h"

#include <algorithm>

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

/**
 * What ONNX Runtime says of a failure of CUDA, of its allocator or of a library begins with the place in its source and
 * ends with that of the call. The reason is what stands between.
 */
std::string reasonIn(std::string message) {
  for (const char* beginning : {"CUDA failure", "CUBLAS failure", "Failed to allocate memory", "Available memory of",
                                "Failed to load library"}) {
    const std::size_t at = message.find(beginning);
    if (at == std::string::npos) continue;
    message.erase(0, at);
    message.erase(std::min(message.find(" ; GPU="), message.size()));
    break;
  }
  message.erase(message.find_last_not_of(" \n") + 1);
  return message;
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
  OrtError error(GetErrorCode(status), reasonIn(GetErrorMessage(status)));
  ReleaseStatus(status);
  throw error;
}

}  // namespace inhouse
