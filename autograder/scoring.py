"""Points: from weights to maxima, from endings to scores. Pure functions.

An exercise's points are split over its checks by weight, to the cent, by largest remainder, so
that the maxima add up exactly. A contract check whose gates did not pass earns nothing. What
happened never changes a maximum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from autograder.config import Config
from autograder.errors import SuiteError
from autograder.outcome import Outcome
from autograder.pytest_plugin import CheckSpec
from autograder.result import CheckResult

__all__ = ["maxima", "total"]

CENTS = 100


def maxima(config: Config, checks: Sequence[CheckSpec]) -> dict[str, float]:
    """The most that each check can earn, by check id.

    Raises SuiteError if suite and config don't list the same exercises.
    """
    by_exercise: dict[str, list[CheckSpec]] = {}
    for check in checks:
        by_exercise.setdefault(check.exercise, []).append(check)
    ids = [exercise.id for exercise in config.exercises]
    for unknown in by_exercise.keys() - set(ids):
        raise SuiteError(
            f"{config.id}: the suite checks an exercise {unknown!r} that the config doesn't list; "
            f"add [[exercises]] id = {unknown!r} or correct @exercise"
        )
    found: dict[str, float] = {}
    for exercise in config.exercises:
        own = by_exercise.get(exercise.id, [])
        weights = [check.weight for check in own]
        if math.fsum(weights) <= 0:
            raise SuiteError(
                f"{config.id}: the exercise {exercise.id!r} has {exercise.points:g} points but no "
                "check with a positive weight in the suite"
            )
        shares = apportion(exercise.points, weights)
        found.update(zip((check.id for check in own), shares, strict=True))
    return found


def apportion(points: float, weights: Sequence[float]) -> list[float]:
    """Split `points` in proportion to `weights`, in cents, with an exact sum."""
    cents = round(points * CENTS)
    exact = [cents * weight / math.fsum(weights) for weight in weights]
    whole = [math.floor(share) for share in exact]
    left = cents - sum(whole)
    by_remainder = sorted(range(len(exact)), key=lambda i: whole[i] - exact[i])
    for i in by_remainder[:left]:
        whole[i] += 1
    return [share / CENTS for share in whole]


def total(scores: Sequence[float | None]) -> float | None:
    """The sum, rounded once; None if any part has no score (a fault of ours)."""
    known = [score for score in scores if score is not None]
    if len(known) < len(scores):
        return None
    return round(math.fsum(known), 2)


def gated(check: CheckSpec, done: Mapping[str, CheckResult]) -> CheckResult | None:
    """The gate of `check` that did not pass, if there is one."""
    for gate in check.gates:
        result = done.get(gate)
        if result is not None and result.outcome is not Outcome.PASSED:
            return result
    return None
