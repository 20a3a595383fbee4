"""One thing to be timed: a student's function at one size, beside its baseline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from autograder.timing.recipe import Recipe
from autograder.timing.verdict import Rival

__all__ = ["Task"]


@dataclass(frozen=True, slots=True)
class Task:
    """`baselines` is the source of a module with the function `baseline`, which is trusted.

    `compare(arguments, results)` raises CheckFailed for wrong values. `bytes_moved` and `flops` are
    the least that a call must move through memory and compute; 0 sets no floor.
    """

    function: str
    baseline: str
    baselines: bytes
    recipe: Recipe
    compare: Callable[[tuple[Any, ...], tuple[torch.Tensor, ...]], None]
    bytes_moved: float = 0.0
    flops: float = 0.0
    rival: Rival = Rival.TORCH
