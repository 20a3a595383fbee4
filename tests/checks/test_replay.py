"""Hints for answers that build on earlier ones: a misconception goes the whole way by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from autograder.checks.compare import Mismatch
from autograder.checks.diagnose import close, diagnose
from autograder.outcome import Failure

WRONG = Failure("wrong")


@dataclass(frozen=True)
class Known:
    id: str
    function: Any
    replaces: str = "step"
    hint: str = "a hint"


def walk(step, count=3, dtype=torch.float64):
    """Where `step` goes from 1."""
    place = torch.ones((), dtype=dtype)
    places = []
    for _ in range(count):
        place = step(place)
        places.append(place)
    return tuple(places)


def mismatch_of(step, truth, **how):
    return Mismatch(
        "step", walk(step, **how), walk(truth, **how), replay=lambda known: walk(known, **how)
    )


def found(mismatches, *known):
    return diagnose(WRONG, mismatches, (), known).misconception


def test_the_misconception_that_goes_the_same_way_is_named():
    mismatch = mismatch_of(lambda x: 3 * x, lambda x: 2 * x)
    adds, triples = Known("adds", lambda x: x + 1), Known("triples", lambda x: x * 3)
    assert found([mismatch], adds, triples) == "triples"


def test_the_same_first_steps_are_not_enough():
    mismatch = mismatch_of(lambda x: x * x + 2, lambda x: 2 * x)
    assert found([mismatch], Known("triples", lambda x: 3 * x)) is None


def test_every_mismatch_must_be_explained():
    explained = mismatch_of(lambda x: 3 * x, lambda x: 2 * x)
    other = mismatch_of(lambda x: 5 * x, lambda x: 2 * x)
    assert found([explained, other], Known("triples", lambda x: 3 * x)) is None


def test_a_tiny_deviation_is_told_from_another_tiny_one():
    truth = 2.0
    mismatch = mismatch_of(lambda x: (truth + 1e-8) * x, lambda x: truth * x)
    half = Known("half", lambda x: (truth + 5e-9) * x)
    none = Known("none", lambda x: truth * x)
    same = Known("same", lambda x: x * truth + 1e-8 * x)
    assert found([mismatch], half, none, same) == "same"
    assert found([mismatch], half, none) is None


def test_rounding_in_float32_is_forgiven():
    mismatch = mismatch_of(lambda x: 3 * x, lambda x: 2 * x, dtype=torch.float32)
    assert found([mismatch], Known("triples", lambda x: (3 + 1e-6) * x)) == "triples"


def test_nan_explains_nan():
    mismatch = mismatch_of(lambda x: x * torch.nan, lambda x: 2 * x)
    divides = Known("divides", lambda x: (x - x) / 0.0)
    assert found([mismatch], Known("triples", lambda x: 3 * x), divides) == "divides"


@pytest.mark.parametrize("broken", [lambda x: None, lambda: 1, lambda x: x.reshape(7)])
def test_a_stand_in_that_breaks_on_the_way_is_not_it(broken):
    mismatch = mismatch_of(lambda x: 3 * x, lambda x: 2 * x)
    assert found([mismatch], Known("broken", broken)) is None


def test_a_right_value_of_a_wrong_type_names_no_misconception():
    right = walk(lambda x: 2 * x)
    mismatch = Mismatch("step", right, right, replay=walk)
    assert found([mismatch], Known("doubles", lambda x: 2 * x)) is None


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (torch.tensor(2.0), 2.0, True),
        (2, torch.tensor(2.0, dtype=torch.float64), True),
        (torch.tensor(2.0), 2.1, False),
        (torch.tensor([2.0]), 2.0, False),
        (torch.tensor(2), 2.5, False),
    ],
)
def test_a_0_dim_tensor_may_stand_for_a_number(left, right, same):
    assert close(left, right) is same
