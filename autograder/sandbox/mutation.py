"""Notices whether a call changed what it was given."""

from __future__ import annotations

import ctypes
from typing import Any

import torch

__all__ = ["Guard"]


class Guard:
    """Remembers one argument as it arrived, to tell later whether a call changed it."""

    __slots__ = ("_containers", "_tensors")

    def __init__(self) -> None:
        self._tensors: list[tuple[torch.Tensor, bytearray, memoryview, Any, Any, int]] = []
        self._containers: list[tuple[Any, tuple[Any, ...]]] = []

    def watch_tensor(
        self, tensor: torch.Tensor, storage: bytearray, original: memoryview, offset: int
    ) -> None:
        """`storage[offset:]` holds the tensor's bytes and `original` what they were."""
        self._tensors.append((tensor, storage, original, tensor.shape, tensor.stride(), offset))

    def watch_container(self, container: list[Any] | dict[str, Any]) -> None:
        """Remember which objects a list or dict holds, in order."""
        self._containers.append((container, _elements(container)))

    def changed(self) -> bool:
        """Whether values, shape or strides of a tensor, or the elements of a container, differ."""
        for container, before in self._containers:
            after = _elements(container)
            if len(after) != len(before) or any(
                a is not b for a, b in zip(after, before, strict=True)
            ):
                return True
        for tensor, storage, original, shape, stride, offset in self._tensors:
            if tensor.shape != shape or tensor.stride() != stride:
                return True
            if not storage:
                continue
            if memoryview(storage)[offset:] != original:
                return True
            if tensor.data_ptr() - tensor.storage_offset() * tensor.element_size() != (
                ctypes.addressof(ctypes.c_ubyte.from_buffer(storage))
            ):
                return True
        return False


def _elements(container: list[Any] | dict[str, Any]) -> tuple[Any, ...]:
    if isinstance(container, dict):
        return tuple(item for pair in container.items() for item in pair)
    return tuple(container)
