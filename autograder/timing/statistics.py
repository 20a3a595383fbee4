"""Medians, and intervals for them that assume nothing about how times are distributed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["CONFIDENCE", "FEWEST", "Estimate", "estimate"]

CONFIDENCE = 0.95

FEWEST = 6
"""With fewer values no interval between two of them covers the median with this confidence."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A median, and an interval that covers the true one with `CONFIDENCE`."""

    value: float
    low: float
    high: float


def estimate(values: Sequence[float]) -> Estimate:
    """The median of independent values and its interval, from the values in order.

    The number of values below the true median is binomial, B(n, ½), whatever the distribution: the
    interval from the k-th smallest to the k-th largest misses it with probability 2 · P(B < k).
    Of fewer than `FEWEST` values, all of their range. Raises ValueError for no values.
    """
    if not values:
        raise ValueError("an estimate needs at least one value")
    ordered = sorted(values)
    cut = _cut(len(ordered))
    return Estimate(median(ordered), ordered[cut], ordered[-1 - cut])


def _cut(count: int) -> int:
    """How many values can be left out at each end."""
    missed = 0.0
    for below in range(count // 2 + 1):
        missed += math.comb(count, below) / 2**count
        if 2 * missed > 1 - CONFIDENCE:
            return max(below - 1, 0)
    return 0
