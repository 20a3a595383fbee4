"""Logits: hostile ones, and how exactly a function of them can be computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from autograder.checks.values import Values, extreme

__all__ = ["far_apart", "natural_size"]


def far_apart(limit: float = 1e4, dim: int = -1) -> Values:
    """Slices along `dim` that no common shift tames: some lie near +limit, some near −limit, and
    some hold numbers of every magnitude up to `limit`, of both signs.
    """

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        rows = list(shape)
        classes = rows.pop(dim)
        spread = extreme(limit)((*rows, classes), generator)
        below = torch.randn((*rows, classes), generator=generator, dtype=torch.float64).abs()
        near = limit - (2.0 * below).clamp(max=limit)
        # The kinds alternate, so that any two neighbours differ.
        first = torch.randint(3, (), generator=generator)
        kind = (torch.arange(spread[..., 0].numel()) + first).reshape(rows)[..., None] % 3
        made = torch.where(kind == 0, near, torch.where(kind == 1, -near, spread))
        return made.movedim(-1, dim)

    return make


def natural_size(logits: Tensor, dim: int | None = -1) -> Tensor:
    """The natural size of (log-)probabilities, losses and their gradients, per upstream unit.

    It is 1, and a little more for large logits. A log-sum-exp is as large as they are and is
    subtracted from one of them, so it passes their rounding on: up to eps/2 · |logit|, in every
    usual order of evaluation. A hundredth of the largest |logit| along `dim` (of each one by
    itself, for None) forgives 16 roundings in float32, and tells no wrong formula from it.
    """
    size = logits.abs() if dim is None else logits.abs().amax(dim, keepdim=True)
    return 1.0 + size / 100.0
