"""Turns header nodes and a payload back into Python values (the format is in `wire`).

The grader decodes what a worker sent, so every node is suspect: a dtype outside the list, a
negative size, sizes whose product is astronomic, a payload that is too short or too long all end
in `ProtocolError`, and nothing is allocated that the payload doesn't back.
"""

from __future__ import annotations

from typing import Any

import torch

from .mutation import Guard
from .protocol import MAX_DEPTH, MAX_ITEMS, Buffer, ProtocolError
from .wire import ALIGNMENT, DTYPES, ITEM_SIZES, MAX_DIMENSIONS, MAX_INT_BITS, MAX_OFFSET

__all__ = ["Decoder"]

_FILLER = b"\xff"
"""What lies in the storage before a view: NaN in every floating dtype, so reading it shows."""


class Decoder:
    """Turns header nodes and a payload back into values.

    One decoder serves one message; tensors take their bytes from `payload` in order, and `finish`
    checks that all of it was used. With `share` tensors are views of `payload` itself, which must
    then be a bytearray that nobody else writes. Every malformed node raises ProtocolError, and
    nothing is allocated that the payload doesn't back.
    """

    __slots__ = ("_guard", "_items", "_payload", "_position", "_share", "_strided")

    def __init__(self, payload: Buffer, *, strided: bool = False, share: bool = False) -> None:
        self._payload = memoryview(payload)
        self._share = share
        self._strided = strided
        self._position = 0
        self._items = 0
        self._guard: Guard | None = None

    def decode(self, node: Any, guard: Guard | None = None) -> Any:
        """The value of `node`; `guard` is told of every tensor, list and dict in it."""
        self._guard = guard
        return self._decode(node, 0)

    def finish(self) -> None:
        """Raise ProtocolError if bytes of the payload were left over."""
        if self._position != len(self._payload):
            raise ProtocolError("the payload is longer than its tensors")

    def _decode(self, node: Any, depth: int) -> Any:
        self._items += 1
        if self._items > MAX_ITEMS:
            raise ProtocolError("too many values")
        kind = type(node)
        if node is None or kind is float or kind is bool or kind is str:
            return node
        if kind is int:
            if node.bit_length() >= 64:
                raise ProtocolError("an int beyond 64 bits must be tagged")
            return node
        if kind is not list or not node:
            raise ProtocolError("a value that is neither a scalar nor a tagged array")
        if depth > MAX_DEPTH:
            raise ProtocolError("values are nested too deep")
        tag = node[0]
        if tag == "x" or tag == "s":
            return self._tensor(node)
        if tag == "t":
            return tuple([self._decode(element, depth + 1) for element in node[1:]])
        if tag == "z" and self._strided:
            return torch.Size(node[1:])
        if tag == "l":
            # The guard of the enclosing argument also watches the containers in it.
            values = [self._decode(element, depth + 1) for element in node[1:]]
            if self._guard is not None:
                self._guard.watch_container(values)
            return values
        if tag == "d":
            return self._dict(node, depth)
        if tag == "i":
            return _tagged_int(node)
        raise ProtocolError("an unknown tag")

    def _dict(self, node: list[Any], depth: int) -> dict[str, Any]:
        if len(node) % 2 == 0:
            raise ProtocolError("a dict with a key and no value")
        values: dict[str, Any] = {}
        for index in range(1, len(node), 2):
            key = node[index]
            if type(key) is not str or key in values:
                raise ProtocolError("a dict's key is not a str, or comes twice")
            values[key] = self._decode(node[index + 1], depth + 1)
        if self._guard is not None:
            self._guard.watch_container(values)
        return values

    def _tensor(self, node: list[Any]) -> torch.Tensor:
        strided = node[0] == "s"
        if len(node) != (5 if strided else 3) or (strided and not self._strided):
            raise ProtocolError("a malformed tensor")
        name = node[1]
        item_size = ITEM_SIZES.get(name) if type(name) is str else None
        if item_size is None:
            raise ProtocolError("a tensor of unknown dtype")
        sizes = _lengths(node[2])
        count = 1
        for size in sizes:
            count *= size
        offset = 0
        if strided:
            strides = _lengths(node[3])
            (offset,) = _lengths([node[4]])
            if len(strides) != len(sizes) or offset > MAX_OFFSET:
                raise ProtocolError("a tensor's strides don't fit its sizes")
            if count:
                count = 1 + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
        size = count * item_size
        begin = self._position
        if size > len(self._payload) - begin:
            raise ProtocolError("a tensor is larger than the payload")
        self._position = min(begin + size + -size % ALIGNMENT, len(self._payload))
        dtype = DTYPES[name]
        if self._share:
            return self._shared(dtype, sizes, count, begin)
        original = self._payload[begin : begin + size]
        lead = offset * item_size
        storage = bytearray(_FILLER * lead) if lead else bytearray()
        storage += original
        if not storage:
            flat = torch.empty(0, dtype=dtype)
        else:
            flat = torch.frombuffer(storage, dtype=dtype)
        tensor = flat.as_strided(sizes, strides, offset) if strided else flat.view(sizes)
        if self._guard is not None:
            self._guard.watch_tensor(tensor, storage, original, lead)
        return tensor

    def _shared(self, dtype: torch.dtype, sizes: list[int], count: int, begin: int) -> torch.Tensor:
        try:
            if not count:
                return torch.empty(sizes, dtype=dtype)
            if dtype is torch.bool:
                # A bool whose byte is neither 0 nor 1 is true to one operator, false to another.
                raw = torch.frombuffer(self._payload, dtype=torch.uint8, count=count, offset=begin)
                return (raw != 0).view(sizes)
            flat = torch.frombuffer(self._payload, dtype=dtype, count=count, offset=begin)
            return flat.view(sizes)
        except (RuntimeError, OverflowError):
            raise ProtocolError("a tensor of impossible sizes") from None


def _lengths(values: Any) -> list[int]:
    if type(values) is not list or len(values) > MAX_DIMENSIONS:
        raise ProtocolError("a tensor's sizes are not a short list")
    for value in values:
        if type(value) is not int or not 0 <= value < 1 << 62:
            raise ProtocolError("a tensor's size is negative, too large or no int")
    return values


def _tagged_int(node: list[Any]) -> int:
    if len(node) != 2 or type(node[1]) is not str or len(node[1]) > MAX_INT_BITS // 4 + 3:
        raise ProtocolError("a malformed int")
    try:
        return int(node[1], 16)
    except ValueError:
        raise ProtocolError("a malformed int") from None
