// ONNX Runtime's functions, found in the library that onnxruntime-node ships, behind their own names.
#pragma once

#include <stdexcept>
#include <string>

#include "api_table.h"

namespace inhouse {

/** What ONNX Runtime said when it refused or failed. */
class OrtError : public std::runtime_error {
 public:
  OrtError(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  /** OrtErrorCode. */
  int code() const { return code_; }

 private:
  int code_;
};

class Api {
 public:
  /**
   * Opens the library at `path`, or reuses it if this process has it open already.
   * Throws a Failure (INHOUSE_RUNTIME_LOAD) when there is none, it is something else, or it is too old.
   */
  explicit Api(const std::string& path);

#define INHOUSE_DECLARE(slot, name, result, parameters) result(*name) parameters;
  INHOUSE_ORT_SLOTS(INHOUSE_DECLARE)
#undef INHOUSE_DECLARE

  /** Throws an OrtError unless the status is the null pointer, which means success. */
  void check(OrtStatus* status) const;

  /** Such as "1.29.0". */
  const std::string& version() const { return version_; }

 private:
  std::string version_;
};

}  // namespace inhouse
