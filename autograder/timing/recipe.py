"""Recipes: what the inputs of a timed call are like, as data that travels to a worker."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from autograder.sandbox import drawing
from autograder.sandbox.wire import NAMES

__all__ = ["Drawn", "Recipe", "draw", "integers", "normal", "recipe_of", "uniform"]

Recipe = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A tensor that each call draws anew, by `kind`, with `numbers` (low and high; mean and std).

    `transposed` draws it with its last two dimensions swapped and hands over the transpose, which
    is not contiguous.
    """

    kind: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    numbers: tuple[float, float]
    transposed: bool = False

    def t(self) -> Drawn:
        """Such a tensor's transpose, of the last two dimensions. Raises ValueError below 2-D."""
        if len(self.shape) < 2:
            raise ValueError(f"a tensor of shape {self.shape} has no last two dimensions to swap")
        *first, rows, columns = self.shape
        return replace(self, shape=(*first, columns, rows), transposed=not self.transposed)

    def to_json(self) -> dict[str, Any]:
        """The node of this tensor in a recipe."""
        return {
            "draw": self.kind,
            "shape": list(self.shape),
            "dtype": NAMES[self.dtype],
            "numbers": list(self.numbers),
            "transposed": self.transposed,
        }


def uniform(*shape: int, dtype: torch.dtype, low: float = -1.0, high: float = 1.0) -> Drawn:
    """Floating-point numbers, uniform between `low` and `high`."""
    return Drawn("uniform", _sizes(shape), dtype, (low, high))


def normal(*shape: int, dtype: torch.dtype, mean: float = 0.0, std: float = 1.0) -> Drawn:
    """Normally distributed floating-point numbers."""
    return Drawn("normal", _sizes(shape), dtype, (mean, std))


def integers(*shape: int, low: int, high: int) -> Drawn:
    """int64 numbers from `low` to `high`, without `high`."""
    return Drawn("integers", _sizes(shape), torch.int64, (low, high))


def recipe_of(arguments: Sequence[Any]) -> Recipe:
    """The recipe of a call's positional arguments: `Drawn` tensors, and plain values as they are.

    Raises TypeError for a tensor, or anything else that JSON doesn't hold.
    """
    return [
        value.to_json() if isinstance(value, Drawn) else {"value": _plain(value)}
        for value in arguments
    ]


def draw(recipe: Recipe, seed: bytes, device: str) -> tuple[Any, ...]:
    """The arguments that a worker draws from this seed."""
    return drawing.draw([dict(node) for node in recipe], seed, torch.device(device))


def _sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    if not all(type(size) is int and size >= 1 for size in shape):
        raise ValueError(f"{shape} is not the shape of something to be timed")
    return shape


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, tuple | list):
        return [_plain(element) for element in value]
    raise TypeError(
        f"{value!r:.80} can't be part of a recipe; use uniform, normal or integers for a tensor"
    )
