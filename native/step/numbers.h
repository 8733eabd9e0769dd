// Numbers as a caller passes them: checked to be integers in a range, and written as JavaScript would write them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

namespace inhouse {

inline bool isInteger(double value, double least, double most) {
  return value >= least && value <= most && std::floor(value) == value;  // NaN fails every comparison
}

inline std::string text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  char digits[40];
  for (int precision : {15, 17}) {  // 15 digits read better; 17 always suffice
    std::snprintf(digits, sizeof digits, "%.*g", precision, value);
    if (std::stod(digits) == value) break;
  }
  return digits;
}

}  // namespace inhouse
