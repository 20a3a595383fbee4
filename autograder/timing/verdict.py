"""From measured rounds to points and a sentence: pure functions of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median

from autograder.errors import GraderError
from autograder.timing.statistics import FEWEST, Estimate, estimate

__all__ = [
    "DEAD_BAND",
    "Inconclusive",
    "Rival",
    "Round",
    "Thresholds",
    "Verdict",
    "fraction",
    "is_settled",
    "judge",
]

DEAD_BAND = 0.02
"""Below `full_at` by this share still earns everything: nobody loses points to noise there."""

SETTLED = 0.10
"""An interval whose ends earn fractions this close together needs no more rounds."""

DOUBTFUL = 0.25
"""An interval whose ends earn fractions further apart than this says too little for a verdict."""

RESOLVED = 0.05
"""What is timed must take at least this share of a chain; the rest is drawing and hashing."""


class Inconclusive(GraderError):
    """The machine couldn't tell: no score, but a case for the staff, with the numbers."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"inconclusive: {reason}")


class Rival(StrEnum):
    """What a baseline stands for, as students read it.

    `TORCH` computes the same, and its values are checked. `MEMORY` only moves the same bytes.
    """

    TORCH = "torch"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The ratios to the baseline's speed that earn nothing and everything; linear in between."""

    zero_at: float = 0.4
    full_at: float = 0.8


@dataclass(frozen=True, slots=True)
class Round:
    """Seconds of three equally long chains: no function, the student's, the baseline's."""

    overhead: float
    student: float
    baseline: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one measurement says.

    `ratio` is the student's speed as a multiple of the baseline's (below 1: slower), `fraction` of
    the points it earns, `seconds` what one call of the student's function takes.
    """

    ratio: Estimate
    fraction: float
    seconds: float
    thresholds: Thresholds
    rounds: int
    rival: Rival = Rival.TORCH

    @property
    def sentence(self) -> str:
        """What the student reads."""
        ratio, goal = self.ratio, self.thresholds
        return (
            f"{ratio.value:.2f} × {self.rival}, full marks from {goal.full_at:.2f}; "
            f"95 % interval {ratio.low:.2f}–{ratio.high:.2f}"
        )


def fraction(ratio: float, thresholds: Thresholds) -> float:
    """The share of the points that a ratio earns, from 0 to 1."""
    full = thresholds.full_at * (1 - DEAD_BAND)
    if ratio >= full:
        return 1.0
    if ratio <= thresholds.zero_at:
        return 0.0
    return (ratio - thresholds.zero_at) / (full - thresholds.zero_at)


def ratios(rounds: Sequence[Round]) -> list[float]:
    """Each round's ratio of speeds, after the overhead is subtracted.

    The overhead is one number for all rounds, its median, as it doesn't depend on who is timed;
    the two others are compared within a round, because the machine's own speed drifts. Raises
    Inconclusive if the overhead is nearly all there is.
    """
    overhead = median(r.overhead for r in rounds)
    baseline = median(r.baseline for r in rounds)
    if baseline - overhead < RESOLVED * baseline:
        raise Inconclusive(
            f"the baseline takes {1e3 * baseline:.2f} ms a chain, and {1e3 * overhead:.2f} ms of "
            "that are drawing inputs and hashing results: too little is left to time; choose a "
            "larger size"
        )
    found = []
    for r in rounds:
        own = r.student - overhead
        found.append(max(r.baseline - overhead, 0.0) / own if own > 0 else float("inf"))
    return found


def is_settled(rounds: Sequence[Round], thresholds: Thresholds) -> bool:
    """Whether more rounds would hardly change what is earned."""
    found = ratios(rounds)
    if len(rounds) < FEWEST:
        # Clearly hopeless: the best of three is not even half of what earns the first point.
        return len(rounds) >= 3 and max(found) < thresholds.zero_at / 2
    return _spread(estimate(found), thresholds) <= SETTLED


def judge(
    rounds: Sequence[Round],
    calls: int,
    thresholds: Thresholds,
    rival: Rival = Rival.TORCH,
) -> Verdict:
    """The verdict on rounds of chains of `calls` calls. Raises Inconclusive."""
    ratio = estimate(ratios(rounds))
    if _spread(ratio, thresholds) > DOUBTFUL:
        raise Inconclusive(
            f"after {len(rounds)} rounds the speed is still only known to be between "
            f"{ratio.low:.2f} and {ratio.high:.2f} × {rival}; this machine is too busy"
        )
    overhead = median(r.overhead for r in rounds)
    seconds = (median(r.student for r in rounds) - overhead) / calls
    earned = fraction(ratio.value, thresholds)
    return Verdict(ratio, earned, seconds, thresholds, len(rounds), rival)


def _spread(ratio: Estimate, thresholds: Thresholds) -> float:
    return fraction(ratio.high, thresholds) - fraction(ratio.low, thresholds)
