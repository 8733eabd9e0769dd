// What native/device/cuda_driver.h says of CUDA's driver is what cuda.h says, on machines that have that header.
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { temporaryFolder } from './support.js';

const include = join(process.env.CUDA_HOME ?? '/usr/local/cuda', 'include');
const native = fileURLToPath(new URL('../../native', import.meta.url));
const hasHeader = existsSync(join(include, 'cuda.h')) && spawnSync('g++', ['--version']).status === 0;
const folder = temporaryFolder();

const SOURCE = `
#include <cuda.h>
#include <cstddef>
#include <vector>
#include "device/cuda_driver.h"
using namespace inhouse;

// Pointers to other types are alike to a caller: sizes and order of the parameters are what must agree.
template <class A, class B> constexpr bool alike = sizeof(A) == sizeof(B);
template <class A, class B> struct SameCall;
template <class R, class... A, class S, class... B> struct SameCall<R(A...), S(B...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A) != sizeof...(B)) return false;
    else return alike<R, S> && (alike<A, B> && ...);
  }();
};
#define CHECK(symbol, name, parameters) \\
  static_assert(SameCall<decltype(symbol), cuda::Result parameters>::value, #symbol);
INHOUSE_CUDA_FUNCTIONS(CHECK)

static_assert(CUDA_SUCCESS == cuda::success && CU_MEMORYTYPE_DEVICE == cuda::memoryTypeDevice);
static_assert(sizeof(CUDA_MEMCPY2D) == sizeof(cuda::Copy2D));
#define FIELD(theirs, ours) static_assert(offsetof(CUDA_MEMCPY2D, theirs) == offsetof(cuda::Copy2D, ours), #theirs);
FIELD(srcXInBytes, fromX) FIELD(srcY, fromY) FIELD(srcMemoryType, fromType) FIELD(srcHost, fromHost)
FIELD(srcDevice, from) FIELD(srcArray, fromArray) FIELD(srcPitch, fromPitch) FIELD(dstXInBytes, toX) FIELD(dstY, toY)
FIELD(dstMemoryType, toType) FIELD(dstHost, toHost) FIELD(dstDevice, to) FIELD(dstArray, toArray)
FIELD(dstPitch, toPitch) FIELD(WidthInBytes, width) FIELD(Height, height)
`;

it.skipIf(!hasHeader)('functions, constants and CUDA_MEMCPY2D agree with cuda.h', () => {
  const file = join(folder, 'abi.cc');
  writeFileSync(file, SOURCE);
  const compiler = spawnSync('g++', ['-std=c++17', '-fsyntax-only', `-I${include}`, `-I${native}`, file], {
    encoding: 'utf8',
  });
  expect(compiler.stderr).toBe('');
  expect(compiler.status).toBe(0);
});
