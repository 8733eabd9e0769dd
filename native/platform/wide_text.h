// UTF-8 to the UTF-16 that Windows wants for paths.
#pragma once

#ifdef _WIN32

#include <windows.h>

#include <string>

namespace inhouse {

inline std::wstring wideText(const std::string& text) {
  const int length = static_cast<int>(text.size());
  const int wideLength = MultiByteToWideChar(CP_UTF8, 0, text.data(), length, nullptr, 0);
  std::wstring wide(static_cast<std::size_t>(wideLength), L'\0');
  MultiByteToWideChar(CP_UTF8, 0, text.data(), length, wide.data(), wideLength);
  return wide;
}

}  // namespace inhouse

#endif
