"""Arguments of a timed call, drawn on the device from a seed and a recipe.

A recipe is JSON: a list with one node per positional argument,

    {"draw": "uniform" | "normal" | "integers", "shape": […], "dtype": "f4", "numbers": [p, q],
     "transposed": false}          a tensor; p, q are low and high, or mean and std
    {"value": …}                   anything that JSON holds, as it is; arrays become tuples

The same recipe, seed, device and torch give the same bits in every process.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any

import torch

from .wire import DTYPES

__all__ = ["draw", "size_of"]

# Bound before any submission is imported: what student code puts in their place is not called.
_sha256 = hashlib.sha256
_Generator, _empty = torch.Generator, torch.empty
_seed = torch.Generator.manual_seed
_FILL: dict[str, Callable[..., torch.Tensor]] = {
    "uniform": torch.Tensor.uniform_,
    "normal": torch.Tensor.normal_,
    "integers": torch.Tensor.random_,
}
_transpose = torch.Tensor.transpose
_MASK_63 = (1 << 63) - 1


def draw(recipe: list[dict[str, Any]], seed: bytes, device: torch.device) -> tuple[Any, ...]:
    """The arguments of one call: fresh tensors on `device`, and the plain values."""
    return tuple(
        _drawn(node, seed + place.to_bytes(4, "little"), device)
        if "draw" in node
        else _plain(node["value"])
        for place, node in enumerate(recipe)
    )


def size_of(recipe: list[dict[str, Any]]) -> int:
    """The bytes of all tensors that a recipe draws."""
    return sum(
        math.prod(node["shape"]) * DTYPES[node["dtype"]].itemsize
        for node in recipe
        if "draw" in node
    )


def _drawn(node: dict[str, Any], seed: bytes, device: torch.device) -> torch.Tensor:
    # One generator per tensor: how many numbers a kernel takes from it is torch's own business.
    generator = _Generator(device)
    _seed(generator, int.from_bytes(_sha256(seed).digest()[:8], "little") & _MASK_63)
    shape = list(node["shape"])
    if node["transposed"]:
        shape[-2:] = reversed(shape[-2:])
    tensor = _empty(shape, dtype=DTYPES[node["dtype"]], device=device)
    _FILL[node["draw"]](tensor, *node["numbers"], generator=generator)
    return _transpose(tensor, -1, -2) if node["transposed"] else tensor


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if type(value) is list else value
