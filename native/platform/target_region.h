// Regions of a file that are compiled for more than the least processor of the platform. MSVC needs no such thing.
// What is compiled in one must only be called where the processor was asked (processor.h).
#pragma once

#define INHOUSE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define INHOUSE_TARGET_BEGIN(features) \
  INHOUSE_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define INHOUSE_TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
// The warning is about GCC 12's own header, which marks vectors as undefined by assigning them to themselves.
#define INHOUSE_TARGET_BEGIN(features)                                                                   \
  _Pragma("GCC push_options") INHOUSE_PRAGMA(GCC target(features)) _Pragma("GCC diagnostic push")        \
      _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define INHOUSE_TARGET_END _Pragma("GCC diagnostic pop") _Pragma("GCC pop_options")
#else
#define INHOUSE_TARGET_BEGIN(features)
#define INHOUSE_TARGET_END
#endif
