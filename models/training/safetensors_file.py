"""Reads and writes safetensors: header length (8 bytes, little-endian), JSON header, raw tensors."""

import json
import math
import struct
from pathlib import Path

import numpy as np

TYPES = {"F16": np.float16, "F32": np.float32}


def save(path, tensors, dtype):
    """Writes arrays by name, all as dtype ('F16' or 'F32'); the header is padded to 8 bytes."""
    header, arrays, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, values in tensors.items():
        array = np.ascontiguousarray(values, TYPES[dtype])
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        arrays.append(array)
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays:
            file.write(array.tobytes())


def load(path):
    """Arrays by name."""
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    return {name: read(raw, 8 + length, entry) for name, entry in header.items()}


def read(raw, data_start, entry):
    shape, offset = entry["shape"], data_start + entry["data_offsets"][0]
    return np.frombuffer(raw, TYPES[entry["dtype"]], math.prod(shape), offset).reshape(shape)
