"""Turns Python values into header nodes and payload chunks (the format is in `wire`)."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any

import torch

from .protocol import MAX_DEPTH, MAX_ITEMS, MAX_REQUEST_PAYLOAD, Buffer
from .wire import ALIGNMENT, MAX_DIMENSIONS, MAX_INT_BITS, MAX_OFFSET, NAMES

__all__ = ["Encoder", "Unsupported", "encode_call"]

_TENSOR_TYPES = (torch.Tensor, torch.nn.Parameter)
_PADDING = [bytes(n) for n in range(ALIGNMENT)]
_COPY_BELOW = 1 << 16
"""Up to this many bytes a copy is cheaper than a view that must be kept alive."""


class Unsupported(Exception):
    """A value that can't travel; the text says what it is, where, and what to return instead."""


def encode_call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Any, list[Buffer]]:
    """Header nodes of the arguments of a call, and the payload.

    Raises TypeError for a value that can't be an argument: that is the suite's mistake.
    """
    encoder = Encoder(strided=True, max_bytes=MAX_REQUEST_PAYLOAD, whole="an argument")
    try:
        positional = [encoder.encode(value) for value in args]
        named = {name: encoder.encode(value) for name, value in kwargs.items()}
    except Unsupported as error:
        raise TypeError(f"can't send this to a worker: {error}") from None
    return positional, named, encoder.chunks


class Encoder:
    """Turns values into header nodes and payload chunks.

    One encoder serves one message: `chunks` collects the payload. `strided` keeps views as views
    (grader to worker); otherwise tensors travel contiguous. `whole` names the outermost value in
    messages. Raises Unsupported.
    """

    __slots__ = ("_items", "_max_bytes", "_path", "_strided", "_whole", "bytes", "chunks")

    def __init__(self, *, strided: bool, max_bytes: int, whole: str = "value") -> None:
        self._strided = strided
        self._max_bytes = max_bytes
        self._whole = whole
        self._items = 0
        self._path: list[tuple[str, object]] = []
        self.chunks: list[Buffer] = []
        self.bytes = 0

    def encode(self, value: object) -> Any:
        """The header node of `value`."""
        kind = type(value)
        self._items += 1
        if self._items > MAX_ITEMS:
            raise Unsupported(f"{self._whole} holds more than {MAX_ITEMS:,} values")
        if value is None or kind is float or kind is bool or kind is str:
            return value
        if kind is int:
            return self._int(value)  # type: ignore[arg-type]
        if kind in _TENSOR_TYPES:
            return self._tensor(value)  # type: ignore[arg-type]
        if kind is tuple:
            return self._sequence("t", "tuple", value)  # type: ignore[arg-type]
        if kind is torch.Size:
            # Student code is given the type that it is tested with; from it, a tuple will do.
            tag = "z" if self._strided else "t"
            return self._sequence(tag, "tuple", value)  # type: ignore[arg-type]
        if kind is list:
            return self._sequence("l", "list", value)  # type: ignore[arg-type]
        if kind is dict:
            return self._dict(value)  # type: ignore[arg-type]
        return self._other(value)

    def _int(self, value: int) -> Any:
        bits = value.bit_length()
        if bits < 64:
            return value
        if bits > MAX_INT_BITS:
            raise Unsupported(f"{self._where()} is an int of {bits:,} bits")
        return ["i", hex(value)]

    def _sequence(self, tag: str, name: str, values: list[object] | tuple[object, ...]) -> Any:
        self._check_size(name, len(values))
        node: list[Any] = [tag]
        path = self._path
        for index, value in enumerate(values):
            path.append((name, index))
            node.append(self.encode(value))
            path.pop()
        return node

    def _dict(self, values: dict[object, object]) -> Any:
        self._check_size("dict", len(values))
        node: list[Any] = ["d"]
        for key, value in values.items():
            if type(key) is not str:
                raise Unsupported(
                    f"{self._where()} has a key of type {_type_name(key)}; use str keys"
                )
            self._path.append(("dict", key))
            node.append(key)
            node.append(self.encode(value))
            self._path.pop()
        return node

    def _check_size(self, name: str, size: int) -> None:
        if size > MAX_ITEMS - self._items:
            raise Unsupported(
                f"{self._where()} is a {name} of {size:,} elements; at most {MAX_ITEMS:,} values"
                " can travel in one message, so use a tensor"
            )
        if len(self._path) >= MAX_DEPTH:
            raise Unsupported(
                f"{self._whole} is nested more than {MAX_DEPTH} levels deep;"
                " does it contain itself?"
            )

    def _tensor(self, value: torch.Tensor) -> Any:
        dtype = NAMES.get(value.dtype)
        if dtype is None:
            raise Unsupported(f"{self._where()} is a tensor of dtype {value.dtype}")
        if value.layout is not torch.strided or value.is_nested:
            layout = "nested" if value.is_nested else str(value.layout).removeprefix("torch.")
            raise Unsupported(f"{self._where()} is a {layout} tensor; return a dense one")
        if value.device.type != "cpu":
            if value.device.type == "meta":
                raise Unsupported(f"{self._where()} is a meta tensor, which holds no numbers")
            value = value.cpu()
        if value.dim() > MAX_DIMENSIONS:
            raise Unsupported(f"{self._where()} is a tensor of {value.dim()} dimensions")
        value = value.detach().resolve_conj().resolve_neg()
        sizes = list(value.shape)
        if not self._strided:
            self._check_bytes(value.numel() * value.element_size(), sizes)
            self._append(value.contiguous(), value.numel() * value.element_size())
            return ["x", dtype, sizes]
        strides = list(value.stride())
        span = 0
        if value.numel():
            span = 1 + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        offset = value.storage_offset()
        self._check_bytes(span * value.element_size(), sizes)
        self._append(value, span * value.element_size())
        if offset == 0 and value.is_contiguous() and _natural(sizes, strides):
            return ["x", dtype, sizes]
        return ["s", dtype, sizes, strides, min(offset, MAX_OFFSET)]

    def _check_bytes(self, size: int, sizes: list[int]) -> None:
        if size + self.bytes > self._max_bytes:
            raise Unsupported(
                f"{self._where()} is too large to travel: a tensor of shape {tuple(sizes)} "
                f"({size / 2**20:,.0f} MiB, and a message holds {self._max_bytes / 2**20:,.0f} MiB)"
            )

    def _append(self, tensor: torch.Tensor, size: int) -> None:
        if size == 0:
            return
        pointer = tensor.data_ptr()
        if size <= _COPY_BELOW:
            self.chunks.append(ctypes.string_at(pointer, size))
        else:
            region = (ctypes.c_ubyte * size).from_address(pointer)
            # The chunk outlives us, and the memory is the tensor's.
            region.tensor = tensor  # type: ignore[attr-defined]
            self.chunks.append(memoryview(region).cast("B"))
        padding = -size % ALIGNMENT
        if padding:
            self.chunks.append(_PADDING[padding])
        self.bytes += size + padding

    def _other(self, value: object) -> Any:
        if type(value).__module__ == "numpy":
            item = getattr(value, "item", None)
            # A numpy scalar (not an array) stands for the Python number of the same value.
            if item is not None and getattr(value, "ndim", None) == 0 and _is_numpy_scalar(value):
                number = item()
                if type(number) in (bool, int, float):
                    return self.encode(number)
        advice = _advice(value, stored=any(kind == "dict" for kind, _ in self._path))
        raise Unsupported(f"{self._where()} is {_article(_type_name(value))}; {advice}")

    def _where(self) -> str:
        path = self._path
        if not path:
            return self._whole
        parts = []
        for container, key in reversed(path):
            text = repr(key)
            text = text if len(text) <= 40 else text[:37] + "..."
            parts.append(f"{'entry' if container == 'dict' else 'element'} {text}")
        container = self._whole if self._strided else f"the returned {path[0][0]}"
        return f"{' of '.join(parts)} of {container}"


def _natural(sizes: list[int], strides: list[int]) -> bool:
    """Whether the strides are the ones a fresh contiguous tensor of these sizes would have."""
    expected = 1
    for size, step in zip(reversed(sizes), reversed(strides), strict=True):
        if step != expected:
            return False
        expected *= max(size, 1)
    return True


def _is_numpy_scalar(value: object) -> bool:
    return any(
        base.__module__ == "numpy" and base.__name__ == "generic" for base in type(value).__mro__
    )


def _type_name(value: object) -> str:
    kind = type(value)
    module = kind.__module__
    name = str(kind.__qualname__)[:80]
    return name if module in ("builtins", "__main__") else f"{str(module)[:80]}.{name}"


def _article(name: str) -> str:
    return f"an {name}" if name[:1] in "aeiou" else f"a {name}"


def _advice(value: object, *, stored: bool = False) -> str:
    kind = type(value)
    if issubclass(kind, torch.Tensor):
        return "return a plain torch.Tensor"
    for plain in (tuple, list, dict, int, float, str):
        if issubclass(kind, plain):
            return f"return a plain {plain.__name__}"
    if stored:
        return "a dict may hold tensors, numbers, bools, strings, None, and lists, tuples and dicts"
    if kind.__name__ == "generator":
        return "did you mean to return a list or a tuple of what it yields?"
    return "return a torch.Tensor"
