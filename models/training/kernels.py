"""Compiles kernels.c for this machine and makes its functions callable. See there for what they do."""

import ctypes
import os
import subprocess
from pathlib import Path

SOURCE = Path(__file__).with_name("kernels.c")
LIBRARY = SOURCE.with_name("libkernels.so")  # "kernels.so" would hide this module


def build():
    """Compiles kernels.c unless the library is newer. Call it once before several processes load it."""
    if LIBRARY.exists() and os.path.getmtime(LIBRARY) >= os.path.getmtime(SOURCE):
        return
    flags = ["-Ofast", "-march=native", "-shared", "-fPIC"]
    subprocess.check_call(["gcc", *flags, "-o", str(LIBRARY), str(SOURCE), "-lm"])


def load():
    build()
    kernels = ctypes.CDLL(str(LIBRARY))
    pointer, count, number, flag = ctypes.c_void_p, ctypes.c_long, ctypes.c_float, ctypes.c_int
    kernels.gelu_fwd.argtypes = [pointer] * 2 + [count]
    kernels.gelu_bwd.argtypes = [pointer] * 3 + [count]
    kernels.softmax_fwd.argtypes = [pointer, count, count, number]
    kernels.softmax_bwd.argtypes = [pointer, pointer, count, count, number]
    kernels.xent.argtypes = [pointer, pointer, count, count, number, flag]
    kernels.xent.restype = ctypes.c_double
    kernels.colsum.argtypes = [pointer, pointer, count, count]
    kernels.sumsq2.argtypes = [pointer, pointer, count]
    kernels.sumsq2.restype = ctypes.c_double
    kernels.adamw.argtypes = [pointer] * 6 + [count] + [number] * 8
    return kernels
