// The one exception that leaves the hot loop on purpose: a code of src/errors.ts, a message, and the facts behind it.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace inhouse {

/** Codes of the catalogue in src/errors.ts that this addon uses. */
namespace code {
inline constexpr const char* invalidToken = "INHOUSE_INVALID_TOKEN";
inline constexpr const char* runtimeLoad = "INHOUSE_RUNTIME_LOAD";
inline constexpr const char* runtimeStep = "INHOUSE_RUNTIME_STEP";
inline constexpr const char* rowInvalid = "INHOUSE_ROW_INVALID";
inline constexpr const char* rowFull = "INHOUSE_ROW_FULL";
inline constexpr const char* disposed = "INHOUSE_DISPOSED";
}  // namespace code

class Failure : public std::runtime_error {
 public:
  using Details = std::vector<std::pair<std::string, double>>;

  Failure(const char* code, const std::string& message, Details details = {})
      : std::runtime_error(message), code_(code), details_(std::move(details)) {}

  /** With the number of the OrtErrorCode that caused it. */
  static Failure fromOrt(const char* code, const std::string& message, int ortCode) {
    Failure failure(code, message);
    failure.ortCode_ = ortCode;
    return failure;
  }

  const char* code() const { return code_; }
  const Details& details() const { return details_; }
  std::optional<int> ortCode() const { return ortCode_; }

 private:
  const char* code_;
  Details details_;
  std::optional<int> ortCode_;
};

/** No token can be chosen from the logits of a row, whatever those of other rows are. */
class NoChoice : public Failure {
 public:
  explicit NoChoice(const std::string& message) : Failure(code::runtimeStep, message) {}
};

inline Failure rowFailure(const std::string& message) { return Failure(code::rowInvalid, message); }

}  // namespace inhouse
