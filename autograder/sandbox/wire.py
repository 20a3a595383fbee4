"""Values on the wire: a JSON tree whose tensors live, as raw bytes, in the frame's payload.

Scalars stand for themselves (JSON as Python writes it keeps nan, inf, -0.0 and every digit of a
float). Everything else is an array that begins with a tag:

    ["l", value…]                   a list
    ["t", value…]                   a tuple
    ["z", int…]                     a torch.Size (towards a worker; from one it is a tuple)
    ["d", key, value, key, value…]  a dict with str keys, in order
    ["i", "hex"]                    an int beyond 64 bits
    ["x", dtype, sizes]             a contiguous tensor
    ["s", dtype, sizes, strides, offset]  a view into a larger or differently ordered storage

A view's bytes are the region of storage that its elements span, so that a transposed or expanded
tensor arrives as such; only the grader sends them. Each tensor's bytes begin at a multiple of
`ALIGNMENT`. Nothing is ever pickled, and no type outside this list exists on the wire.
"""

from __future__ import annotations

import torch

__all__ = [
    "ALIGNMENT",
    "DTYPES",
    "ITEM_SIZES",
    "MAX_DIMENSIONS",
    "MAX_INT_BITS",
    "MAX_OFFSET",
    "NAMES",
]

NAMES: dict[torch.dtype, str] = {
    torch.float64: "f8",
    torch.float32: "f4",
    torch.float16: "f2",
    torch.bfloat16: "b2",
    torch.int64: "i8",
    torch.int32: "i4",
    torch.int16: "i2",
    torch.int8: "i1",
    torch.uint8: "u1",
    torch.bool: "?",
    torch.complex64: "c8",
    torch.complex128: "c16",
}
"""Every dtype that travels. The complex ones only so that a wrong answer can be named."""

DTYPES = {name: dtype for dtype, name in NAMES.items()}
ITEM_SIZES = {name: dtype.itemsize for dtype, name in NAMES.items()}

ALIGNMENT = 16
MAX_DIMENSIONS = 64
MAX_INT_BITS = 4096
MAX_OFFSET = 1 << 16
"""A view that begins further into its storage than this many elements arrives at this offset."""
