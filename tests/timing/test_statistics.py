"""Intervals for medians, from order statistics alone."""

from __future__ import annotations

import random

import pytest

from autograder.timing.statistics import CONFIDENCE, FEWEST, estimate


def test_the_median_lies_within_its_interval() -> None:
    found = estimate([5.0, 1.0, 3.0, 2.0, 4.0, 6.0, 7.0, 9.0, 8.0])
    assert found.value == 5.0
    assert (found.low, found.high) == (2.0, 8.0)  # 2 · P(B(9, ½) < 2) = 3.9 %


@pytest.mark.parametrize(
    ("count", "left_out"), [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (24, 6)]
)
def test_as_many_values_are_left_out_as_the_binomial_allows(count: int, left_out: int) -> None:
    found = estimate([float(i) for i in range(count)])
    assert (found.low, found.high) == (left_out, count - 1 - left_out)


def test_one_value_is_its_own_interval() -> None:
    found = estimate([2.5])
    assert (found.low, found.value, found.high) == (2.5, 2.5, 2.5)


def test_no_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        estimate([])


@pytest.mark.parametrize("count", [FEWEST, 9, 12, 24])
def test_the_interval_covers_the_true_median_whatever_the_distribution(count: int) -> None:
    source = random.Random(7)
    trials = 2000
    covered = 0
    for _ in range(trials):
        # Skewed, with a heavy tail, as times are; its median is 1.
        found = estimate([source.lognormvariate(0.0, 1.0) for _ in range(count)])
        covered += found.low <= 1.0 <= found.high
    # Three standard deviations of the binomial below the promise.
    assert covered / trials >= CONFIDENCE - 3 * (CONFIDENCE * (1 - CONFIDENCE) / trials) ** 0.5
