"""Hints: a misconception must explain all the evidence; generic patterns come after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from autograder.checks.compare import Mismatch
from autograder.checks.diagnose import close, diagnose
from autograder.outcome import Failure
from autograder.student import Call


@dataclass(frozen=True)
class Known:
    id: str
    function: Any
    replaces: str = "f"
    hint: str = "a hint"


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def evidence(function, *inputs):
    calls = [Call("f", (x,), {}, function(x)) for x in inputs]
    truth = [2 * x for x in inputs]
    wrong = [
        Mismatch("f", call.value, expected)
        for call, expected in zip(calls, truth, strict=True)
        if not close(call.value, expected)
    ]
    return wrong, calls


WRONG = Failure("wrong")
SQUARE = Known("squares", lambda x: x * x)
ADD = Known("adds_two", lambda x: x + 2)


def test_the_misconception_that_explains_every_answer_is_named():
    wrong, calls = evidence(lambda x: x * x, tensor(2.0), tensor(3.0), tensor(5.0, 1.0))
    found = diagnose(WRONG, wrong, calls, [ADD, SQUARE])
    assert (found.misconception, found.help) == ("squares", "a hint")


def test_one_coinciding_input_is_not_enough():
    # 2 + 2 == 2 * 2: on that input alone both wrong ideas look alike.
    wrong, calls = evidence(lambda x: x + 3, tensor(2.0), tensor(4.0))
    assert diagnose(WRONG, wrong, calls, [ADD, SQUARE]).misconception is None


def test_a_misconception_that_breaks_on_an_input_is_not_it():
    broken = Known("breaks", lambda x: x.reshape(17))
    wrong, calls = evidence(lambda x: x * x, tensor(3.0))
    assert diagnose(WRONG, wrong, calls, [broken]).misconception is None


def test_a_misconception_of_another_function_is_not_tried():
    other = Known("other", lambda x: x * x, replaces="g")
    wrong, calls = evidence(lambda x: x * x, tensor(3.0))
    assert diagnose(WRONG, wrong, calls, [other]).misconception is None


def test_without_a_wrong_answer_there_is_nothing_to_explain():
    assert diagnose(WRONG, [], [], [SQUARE]) is WRONG


def matrix(rows: int, columns: int) -> torch.Tensor:
    return torch.arange(1.0, 1.0 + rows * columns, dtype=torch.float64).reshape(rows, columns) ** 2


@pytest.mark.parametrize(
    ("wrong_answer", "words"),
    [
        (lambda e: -e, "opposite sign"),
        (lambda e: e.mT, "transposed"),
        (lambda e: 2 * e, "times a constant"),
        (lambda e: e / e.numel(), "times a constant"),
        (lambda e: e.flip(-1, -2), "flipped"),
        (lambda e: torch.stack([e / 2, e / 2]), "extra dimensions"),
        (lambda e: e.exp(), None),
        (lambda e: None, None),
        (lambda e: "text", None),
        (lambda e: [e, e], None),
    ],
    ids=["sign", "transposed", "twice", "averaged", "flipped", "unreduced", "unknown", "none",
         "text", "list"],
)  # fmt: skip
def test_a_generic_pattern_is_recognised(wrong_answer, words):
    expected = [matrix(2, 3), matrix(3, 2)]
    wrong = [Mismatch("f", wrong_answer(e), e) for e in expected]
    found = diagnose(WRONG, wrong, [], [])
    assert (found.help is None) if words is None else (words in (found.help or ""))
    assert found.misconception is None


def test_swapped_results_are_recognised():
    pair = (matrix(2, 3), matrix(3, 2))
    found = diagnose(WRONG, [Mismatch("f", pair[::-1], pair)], [], [])
    assert "other order" in (found.help or "")


def test_an_ignored_upstream_gradient_is_recognised():
    unit = matrix(2, 2)
    wrong = Mismatch("f", unit, 3 * unit, unit_upstream=lambda: unit)
    assert "grad_output" in (diagnose(WRONG, [wrong], [], []).help or "")


def test_one_wrong_result_beside_a_right_one_is_recognised():
    right, other = matrix(2, 3), matrix(3, 2)
    found = diagnose(WRONG, [Mismatch("f", (right, -other), (right, other))], [], [])
    assert "opposite sign" in (found.help or "")


def test_a_hint_that_the_check_gave_is_kept():
    given = Failure("wrong", help="look here")
    found = diagnose(given, [Mismatch("f", -matrix(2, 2), matrix(2, 2))], [], [])
    assert found.help == "look here"


def test_closeness_is_structural():
    assert close({"a": [tensor(1.0), 2]}, {"a": [tensor(1.0), 2.0]})
    assert not close({"a": tensor(1.0)}, {"b": tensor(1.0)})
    assert not close([tensor(1.0)], [tensor(1.0), tensor(1.0)])
    assert not close(tensor(1.0), None)
    assert close(float("inf"), float("inf"))
    assert close(tensor(float("nan")), tensor(float("nan")))
