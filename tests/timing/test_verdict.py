"""From rounds to points: thresholds, the dead band, what is settled and what is in doubt."""

from __future__ import annotations

from itertools import pairwise

import pytest

from autograder.timing.statistics import Estimate
from autograder.timing.verdict import (
    DEAD_BAND,
    Inconclusive,
    Round,
    Thresholds,
    Verdict,
    fraction,
    is_settled,
    judge,
)

GOALS = Thresholds(zero_at=0.4, full_at=0.8)


def rounds(*students: float, overhead: float = 1.0, baseline: float = 3.0) -> list[Round]:
    """Rounds in which the student's chains took these seconds."""
    return [Round(overhead, student, baseline) for student in students]


def slower(factor: float, count: int = 6, overhead: float = 1.0) -> list[Round]:
    """Rounds of a kernel `factor` times slower than a baseline of 2 s a chain."""
    return rounds(*[overhead + 2.0 * factor] * count, overhead=overhead, baseline=overhead + 2.0)


@pytest.mark.parametrize(
    ("ratio", "earned"),
    [(0.0, 0.0), (0.39, 0.0), (0.4, 0.0), (0.592, 0.5), (0.784, 1.0), (0.8, 1.0), (3.0, 1.0)],
)
def test_points_are_linear_between_the_thresholds(ratio: float, earned: float) -> None:
    assert fraction(ratio, GOALS) == pytest.approx(earned, abs=1e-9)


def test_points_never_fall_when_the_ratio_rises() -> None:
    earned = [fraction(i / 1000, GOALS) for i in range(1200)]
    assert earned == sorted(earned)
    assert max(b - a for a, b in pairwise(earned)) < 0.004  # and never jump


def test_just_below_full_marks_is_full_marks() -> None:
    assert fraction(GOALS.full_at * (1 - DEAD_BAND), GOALS) == 1.0
    assert fraction(GOALS.full_at * (1 - 2 * DEAD_BAND), GOALS) < 1.0


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25, 2.0, 4.0])
@pytest.mark.parametrize("overhead", [0.0, 0.5, 10.0])
def test_a_kernel_k_times_slower_has_the_ratio_one_over_k(factor: float, overhead: float) -> None:
    verdict = judge(slower(factor, overhead=overhead), 8, GOALS)
    assert verdict.ratio.value == pytest.approx(1 / factor)
    assert verdict.seconds == pytest.approx(2.0 * factor / 8)


def test_the_overhead_is_its_median_over_all_rounds() -> None:
    disturbed = [Round(9.0, 5.0, 3.0), *slower(2.0, count=6)]
    assert judge(disturbed, 1, GOALS).ratio.value == pytest.approx(0.5)


def test_a_drift_of_the_machine_cancels_within_each_round() -> None:
    drifting = [
        Round(0.1, 0.1 + 2 * speed, 0.1 + speed) for speed in (1.0, 1.3, 1.7, 2.2, 2.8, 3.6)
    ]
    verdict = judge(drifting, 1, GOALS)
    assert verdict.ratio.value == pytest.approx(0.5)
    assert verdict.ratio.high - verdict.ratio.low < 1e-9


def test_one_disturbed_round_in_six_does_not_move_the_median() -> None:
    assert judge(rounds(3.0, 3.0, 3.0, 3.0, 3.0, 3.2), 1, GOALS).fraction == 1.0


def test_six_equal_rounds_are_settled_and_five_are_not() -> None:
    assert is_settled(slower(1.5, count=6), GOALS)
    assert not is_settled(slower(1.5, count=5), GOALS)


def test_three_hopeless_rounds_are_settled() -> None:
    assert is_settled(slower(6.0, count=3), GOALS)
    assert not is_settled(slower(4.0, count=3), GOALS)
    assert not is_settled(slower(6.0, count=2), GOALS)


def test_a_wide_interval_is_settled_where_all_of_it_earns_the_same() -> None:
    assert is_settled(rounds(1.5, 1.8, 2.0, 2.5, 2.9, 3.0), GOALS)  # all faster than torch
    assert is_settled(rounds(7.0, 9.0, 12.0, 20.0, 30.0, 40.0), GOALS)  # all below the first point


def test_a_wide_interval_between_the_thresholds_is_inconclusive() -> None:
    torn = rounds(3.6, 3.8, 4.0, 5.0, 5.5, 5.9)
    assert not is_settled(torn, GOALS)
    with pytest.raises(Inconclusive, match=r"after 6 rounds .* between 0\.41 and 0\.77 × torch"):
        judge(torn, 1, GOALS)


def test_a_baseline_that_is_nearly_all_overhead_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="drawing inputs and hashing results"):
        judge(rounds(*[3.0] * 6, overhead=2.99, baseline=3.0), 1, GOALS)


def test_a_chain_shorter_than_the_overhead_is_infinitely_fast_and_has_no_time() -> None:
    verdict = judge(rounds(*[0.9] * 6), 1, GOALS)
    assert verdict.ratio.value == float("inf")
    assert verdict.seconds < 0  # what `Timer` refuses


def test_the_sentence_has_the_numbers() -> None:
    verdict = Verdict(Estimate(0.714, 0.69, 0.73), 0.8, 1e-3, GOALS, 9)
    assert verdict.sentence == "0.71 × torch, full marks from 0.80; 95 % interval 0.69–0.73"
