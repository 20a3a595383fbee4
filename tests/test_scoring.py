"""Points: exact sums, gates, and no score where we are at fault."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.config import Config, Exercise
from autograder.errors import SuiteError
from autograder.outcome import Outcome
from autograder.pytest_plugin import CheckSpec
from autograder.result import CheckResult
from autograder.scoring import apportion, gated, maxima, total

CONFIG = Config(
    "a9", "Nine", ("nine.py",),
    (Exercise("one", "One", 10, ("f",)), Exercise("two", "Two", 5, ("g",))),
)  # fmt: skip


def spec(name: str, weight: float = 1.0, gates: tuple[str, ...] = ()) -> CheckSpec:
    return CheckSpec(name, name, name.partition("/")[0], weight, gates)


@given(
    st.integers(1, 20_000).map(lambda cents: cents / 100),
    st.lists(st.floats(0, 10), min_size=1, max_size=40).filter(lambda w: math.fsum(w) > 0.01),
)
def test_shares_add_up_exactly_and_follow_the_weights(points, weights):
    shares = apportion(points, weights)
    assert round(math.fsum(shares), 2) == points
    assert all(share >= 0 for share in shares)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - points * weight / math.fsum(weights)) < 0.0101


def test_maxima_come_from_points_and_weights():
    checks = [spec("one/a", 3), spec("one/b", 1), spec("two/c")]
    assert maxima(CONFIG, checks) == {"one/a": 7.5, "one/b": 2.5, "two/c": 5.0}


def test_a_check_of_an_unknown_exercise_is_refused():
    with pytest.raises(SuiteError, match="an exercise 'tow' that the config doesn't list"):
        maxima(CONFIG, [spec("one/a"), spec("two/b"), spec("tow/c")])


def test_an_exercise_without_checks_is_refused():
    with pytest.raises(SuiteError, match="'two' has 5 points but no check"):
        maxima(CONFIG, [spec("one/a")])


def test_weights_of_zero_are_no_checks():
    with pytest.raises(SuiteError, match="no check with a positive weight"):
        maxima(CONFIG, [spec("one/a"), spec("two/b", 0)])


def test_a_total_without_one_of_its_parts_is_none():
    assert total([1.1, 2.2]) == 3.3
    assert total([1.0, None]) is None


def test_a_check_waits_for_its_gates():
    passed = CheckResult("one/a", "a", Outcome.PASSED, 1.0, 1.0)
    failed = replace(passed, outcome=Outcome.FAILED)
    waiting = spec("one/b", gates=("one/a",))
    assert gated(waiting, {"one/a": passed}) is None
    assert gated(waiting, {"one/a": failed}) is failed
    assert gated(waiting, {}) is None
