"""Where the numbers in test inputs come from: named domains, each a function of a generator.

Shapes, layouts and seeds are hypothesis's (so that it can shrink them); the numbers come from
a torch.Generator seeded by it, in full float64 precision, so that reduced precision shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = [
    "Values",
    "away_from",
    "distinct",
    "extreme",
    "integers",
    "log_uniform",
    "normal",
    "probabilities",
    "signed",
    "tied",
    "uniform",
    "with_exact",
]

Values = Callable[[Sequence[int], torch.Generator], Tensor]


def normal(scale: float = 1.0) -> Values:
    """Normal numbers with standard deviation `scale`."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=generator, dtype=torch.float64) * scale

    return make


def uniform(low: float, high: float) -> Values:
    """Uniform numbers in [low, high)."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        unit = torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
        return low + (high - low) * unit

    return make


def log_uniform(low: float, high: float) -> Values:
    """Positive numbers spread evenly over the orders of magnitude from `low` to `high`."""
    exponents = uniform(math.log(low), math.log(high))
    return lambda shape, generator: exponents(shape, generator).exp()


def signed(low: float, high: float) -> Values:
    """Numbers of both signs whose magnitudes lie between `low` and `high`."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        unit = torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
        coin = torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
        return (low + (high - low) * unit) * torch.where(coin < 0.5, -1.0, 1.0)

    return make


def extreme(limit: float, *, positive: bool = False) -> Values:
    """Numbers of every magnitude up to `limit`, of both signs (unless `positive`)."""
    magnitude = log_uniform(1e-3, limit)

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        size = magnitude(shape, generator)
        coin = torch.rand(tuple(shape), generator=generator, dtype=torch.float64)
        size = torch.where(coin < 0.25, limit, size)
        sign = torch.randn(tuple(shape), generator=generator, dtype=torch.float64).sign()
        return size if positive else size * sign

    return make


def away_from(*kinks: float, values: Values | None = None, gap: float = 1e-2) -> Values:
    """The numbers of `values`, pushed at least `gap` away from each kink."""
    source = normal() if values is None else values

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        made = source(shape, generator)
        for kink in kinks:
            off = made - kink
            side = torch.where(off < 0, -1.0, 1.0)
            made = torch.where(off.abs() < gap, kink + side * (gap + off.abs()), made)
        return made

    return make


def tied(low: int = -2, high: int = 2) -> Values:
    """Small whole numbers in [low, high], so that exact ties are common."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randint(low, high + 1, tuple(shape), generator=generator).double()

    return make


def distinct(gap: float = 0.1) -> Values:
    """Numbers no two of which are closer than `gap` (a shuffled, jittered ladder)."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        count = math.prod(shape)
        order = torch.randperm(count, generator=generator).double()
        jitter = torch.rand(count, generator=generator, dtype=torch.float64)
        ladder = (order - count / 2) * 2 * gap + jitter * gap
        return ladder.reshape(tuple(shape))

    return make


def with_exact(values: Values, *constants: float, share: float = 0.4) -> Values:
    """The numbers of `values`, but for a `share` that is exactly one of `constants`."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        made = values(shape, generator)
        coin = torch.rand(made.shape, generator=generator, dtype=torch.float64)
        which = torch.randint(len(constants), tuple(shape), generator=generator)
        return torch.where(coin < share, torch.tensor(constants, dtype=made.dtype)[which], made)

    return make


def probabilities(floor: float = 1e-3) -> Values:
    """Rows (last dim) of positive numbers that sum to 1, none below about `floor`."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        raw = torch.rand(tuple(shape), generator=generator, dtype=torch.float64) + floor
        return raw / raw.sum(-1, keepdim=True) if raw.ndim else torch.ones_like(raw)

    return make


def integers(low: int, high: int) -> Values:
    """int64 class labels in [low, high]; they keep their dtype whatever the case's is."""

    def make(shape: Sequence[int], generator: torch.Generator) -> Tensor:
        return torch.randint(low, high + 1, tuple(shape), generator=generator)

    return make
