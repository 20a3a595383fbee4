"""Checks that need a device which isn't there: pending, neither lost nor won, in the self-audit."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.candidates import Candidate
from autograder.course import find_course
from autograder.handouts import check_handout
from autograder.outcome import Failure, Outcome
from autograder.result import CheckResult, ExerciseResult, Result, Status
from autograder.selfcheck import _row

ROOT = Path(__file__).resolve().parents[1]
NO_GPU = Failure("not run: no GPU on this machine; it is timed on one that has a GPU")
VALUES = CheckResult("e/values", "right values", Outcome.PASSED, 6.0, 6.0)
SPEED = CheckResult("e/speed", "fast", Outcome.NOT_RUN, 0.0, 4.0, failure=NO_GPU, tags=("timing",))


@pytest.fixture(scope="module")
def assignment():
    return load_assignment(find_course(ROOT), "a4_optimizers")


def result(*checks: CheckResult, messages: tuple[str, ...] = ()) -> Result:
    score = sum(check.score or 0.0 for check in checks)
    exercise = ExerciseResult("e", "an exercise", score, 10.0, checks)
    return Result("a", "A", Status.GRADED, score, 10.0, (exercise,), messages=messages)


def test_a_solution_with_everything_but_pending_checks_is_clean(assignment) -> None:
    note = "still to be timed: e (4 points); these points are not in yet"
    row = _row(
        assignment, Candidate("solution", "seed 0", {}), result(VALUES, SPEED, messages=(note,))
    )
    assert (row.lost, row.problems) == ({}, ())


def test_a_solution_that_fails_where_it_could_run_is_not(assignment) -> None:
    wrong = replace(VALUES, outcome=Outcome.FAILED, score=0.0, failure=Failure("wrong"))
    row = _row(assignment, Candidate("solution", "seed 0", {}), result(wrong, SPEED))
    assert row.lost == {"e": 6.0}
    assert any("e/values: failed: wrong" in problem for problem in row.problems)


def test_a_check_that_is_not_run_for_another_reason_is_lost(assignment) -> None:
    gated = replace(SPEED, failure=Failure("counts only once this passes: right values"))
    row = _row(assignment, Candidate("solution", "seed 0", {}), result(VALUES, gated))
    assert row.lost == {"e": 4.0}
    assert row.problems


def test_a_stub_owes_no_words_for_pending_checks(assignment) -> None:
    unwritten = Failure("`f` is not implemented yet")
    stub = replace(VALUES, outcome=Outcome.RAISED, score=0.0, failure=unwritten)
    assert _row(assignment, Candidate("stub", "handout", {}), result(stub, SPEED)).problems == ()
    silent = replace(stub, outcome=Outcome.FAILED, failure=Failure("wrong"))
    assert _row(assignment, Candidate("stub", "handout", {}), result(silent, SPEED)).problems


def test_the_handout_asks_for_triton_where_kernels_are_written() -> None:
    course = find_course(ROOT)
    asking = [
        name
        for name in course.assignment_ids
        if "triton" in (course.handout(name) / "requirements.txt").read_text(encoding="utf-8")
    ]
    assert asking == ["a8_kernels"]
    assert check_handout(course, "a8_kernels") == []


def test_the_page_for_gpu_figures_has_a_place_for_them() -> None:
    page = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    figures = re.search(r"<!-- figures -->\n(.*)<!-- end of figures -->", page, re.DOTALL)
    assert figures is not None
    assert "has not run on a GPU yet" in figures[1] or "| GPU |" in figures[1]
