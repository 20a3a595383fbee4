"""`for_all`: reproducible, shrinking, and not wasting time on the hopeless."""

from __future__ import annotations

import pytest
import torch
from hypothesis import strategies as st

from autograder.checks.cases import arguments, tensors
from autograder.checks.compare import CheckFailed
from autograder.checks.forall import CheckRun, check_run, for_all
from autograder.outcome import Failure
from autograder.student import StudentForbidden, StudentMissing, StudentRaised, StudentTimedOut


def numbers_seen(seed: int) -> list[int]:
    seen: list[int] = []
    with check_run(CheckRun(seed=seed)):
        for_all(st.integers(0, 10**9), seen.append, examples=8)
    return seen


def test_the_seed_alone_decides_the_cases():
    assert numbers_seen(1) == numbers_seen(1)
    assert numbers_seen(1) != numbers_seen(2)


def test_global_random_state_plays_no_part():
    torch.manual_seed(1)
    first = numbers_seen(3)
    torch.manual_seed(2)
    assert numbers_seen(3) == first


def test_the_smallest_failing_input_is_described():
    def body(case):
        if case.arguments["x"].numel() >= 3:
            raise CheckFailed("too big")

    with pytest.raises(CheckFailed) as failed:
        for_all(arguments(x=tensors("*s n")).cases(), body, examples=50)
    assert "x = float64[3]" in failed.value.failure.example


def test_failures_are_kept_for_the_diagnosis():
    run = CheckRun(seed=0, failures=[])

    def body(number):
        if number > 5:
            raise CheckFailed(f"{number}")

    with check_run(run), pytest.raises(CheckFailed, match="6"):
        for_all(st.integers(0, 100), body, examples=20)
    assert run.failures is not None
    assert 1 <= len(run.failures) <= 32


@pytest.mark.parametrize(
    "fault",
    [
        StudentTimedOut("slow"),
        StudentMissing("missing"),
        StudentForbidden("no"),
        StudentRaised("not there", "NotImplementedError"),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_a_hopeless_fault_ends_the_search_at_once(fault):
    calls = 0

    def body(case):
        nonlocal calls
        calls += 1
        raise fault

    with pytest.raises(type(fault)) as raised:
        for_all(st.integers(), body, examples=50)
    assert raised.value is fault
    assert calls == 1


def test_an_exception_of_the_student_is_shrunk_and_described():
    def body(number):
        if number >= 10:
            raise StudentRaised(Failure("raised ValueError"), "ValueError")

    with pytest.raises(StudentRaised) as raised:
        for_all(st.integers(0, 1000), body, examples=30)
    assert raised.value.failure.example == "10"


def test_answers_that_change_between_equal_calls_are_said_to():
    calls = 0

    def body(number):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise CheckFailed(Failure("wrong once"))

    with pytest.raises(CheckFailed) as failed:
        for_all(st.integers(0, 1000), body, examples=30)
    text = f"{failed.value.failure.rationale} {failed.value.failure.help}"
    assert "the same call gave different answers" in text.lower()


def test_a_bug_of_the_suite_stays_a_bug():
    with pytest.raises(ZeroDivisionError):
        for_all(st.integers(), lambda number: 1 / 0, examples=3)  # type: ignore[arg-type]
