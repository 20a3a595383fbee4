"""Cases that a suite lists itself: `combinations`, and `for_each` over them."""

from __future__ import annotations

import pytest

from autograder.checks.cases import combinations
from autograder.checks.compare import CheckFailed
from autograder.checks.forall import CheckRun, check_run, for_each
from autograder.student import StudentRaised, StudentTimedOut


def test_every_combination_comes_once():
    made = combinations(a=(1, 2, 3), b=("x", "y"))
    assert len(made) == 6
    assert len({(each["a"], each["b"]) for each in made}) == 6


def test_combinations_begin_with_the_plainest():
    made = combinations(a=(0, 1), b=(0, 1), c=(0, 1))
    assert made[0] == {"a": 0, "b": 0, "c": 0}
    assert [sum(each.values()) for each in made] == [0, 1, 1, 1, 2, 2, 2, 3]


def test_the_first_failing_case_is_described_and_kept_for_the_diagnosis():
    seen = []

    def body(case):
        seen.append(case)
        if case >= 2:
            raise CheckFailed(f"{case} is too much")

    run = CheckRun(failures=[])
    with check_run(run), pytest.raises(CheckFailed, match="2 is too much") as failed:
        for_each([1, 2, 3], body, describe=lambda case: f"the case {case}")
    assert failed.value.failure.example == "the case 2"
    assert seen == [1, 2]
    assert len(run.failures) == 1


def test_what_student_code_raises_is_shown_with_its_input():
    def body(case):
        raise StudentRaised("raised ValueError", "ValueError")

    with pytest.raises(StudentRaised) as raised:
        for_each([7], body)
    assert raised.value.failure.example == "7"


def test_a_dead_worker_is_not_explained_by_an_input():
    def body(case):
        raise StudentTimedOut("no answer")

    with pytest.raises(StudentTimedOut) as raised:
        for_each([7], body)
    assert raised.value.failure.example is None
