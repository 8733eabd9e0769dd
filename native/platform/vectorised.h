// Marks functions whose loops are compiled once per vector width of the processor; the loader picks one of them.
// Only where the compiler and the C library can do it: elsewhere the compiler's default width has to do.
#pragma once

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__has_attribute) && !defined(__SANITIZE_ADDRESS__)
#if __has_attribute(target_clones)
#define INHOUSE_VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#endif
#ifndef INHOUSE_VECTORISED
#define INHOUSE_VECTORISED
#endif

/** For functions that are to become part of the function that calls them, compiled as that one is. */
#ifdef _MSC_VER
#define INHOUSE_INLINE __forceinline
#else
#define INHOUSE_INLINE inline __attribute__((always_inline))
#endif
