"""Gradebooks: one small and hostile that every format is shown with, and any size of cohort."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from autograder.config import Visibility
from autograder.outcome import Failure, Outcome
from autograder.regrade.gradebook import Grade, Gradebook, Lateness, Person
from autograder.result import CheckResult, ExerciseResult, Result, Status
from autograder.scoring import total

EXERCISES = (("matmul", "Matrix multiplication", 6.0), ("bias", "Bias", 4.0))
STARTED = datetime(2026, 11, 21, 16, 20, tzinfo=UTC)
TITLES = {
    "matmul/forward": "`matmul` gives the right values",
    "matmul/gradients": "`matmul_backward` equals torch.autograd",
    "bias/forward": "`add_bias` gives the right values",
    "bias/mutation": "`add_bias` does not change its inputs",
}
WRONG = Failure(
    "grad_w has the wrong shape", "shape (3, 2)", "shape (2, 3)", "You forgot to transpose.",
    "forgets_the_transpose", "x = float64[2, 3]", "operators.py:12",
)  # fmt: skip
HOSTILE = "<script>alert(1)</script> & ]]> \x00\x1b[31m \u202egnp.exe \ufffe =1+1"


def check(id_: str, outcome: Outcome = Outcome.PASSED, score: float | None = None, **changes):
    most = {"matmul": 3.0, "bias": 2.0}[id_.partition("/")[0]]
    if score is None and outcome is not Outcome.GRADER_ERROR:
        score = most if outcome is Outcome.PASSED else 0.0
    return replace(
        CheckResult(id_, TITLES[id_], outcome, score, most, seconds=0.25), **changes
    )  # fmt: skip


def result(*changed: CheckResult, status: Status = Status.GRADED, **changes) -> Result:
    """All checks pass but the given ones."""
    by_id = {made.id: made for made in changed}
    exercises = []
    for id_, title, points in EXERCISES:
        checks = tuple(by_id.get(c, check(c)) for c in TITLES if c.startswith(f"{id_}/"))
        exercises.append(
            ExerciseResult(id_, title, total([c.score for c in checks]), points, checks)
        )
    made = Result(
        "a9", "Nine, of course", status, total([e.score for e in exercises]), 10.0,
        tuple(exercises), versions={"torch": "2.13.0"}, seconds=1.5,
    )  # fmt: skip
    return replace(made, **changes)


def rejected() -> Result:
    ran = [
        check(c, Outcome.NOT_RUN, failure=Failure("the submission was rejected")) for c in TITLES
    ]
    return result(
        *ran, status=Status.REJECTED, score=0.0, messages=("operators.py:2: syntax error",)
    )


def grade(submission: str, name: str | None, made: Result | None, **changes) -> Grade:
    people = (
        ()
        if name is None
        else (Person(name, str(sum(map(ord, name))), f"{submission}@example.edu"),)
    )
    score = None if made is None else made.score
    base = Grade(submission, people, made, score=score, timestamp=STARTED - timedelta(days=3))
    return replace(base, **changes)


def gradebook(*grades: Grade, **changes) -> Gradebook:
    book = Gradebook(
        "a9", "Nine, of course", 10.0, EXERCISES,
        tuple(sorted(grades, key=lambda one: one.name)), 7,
        STARTED, STARTED + timedelta(minutes=2), {"autograder": "0.1.0", "torch": "2.13.0"},
    )  # fmt: skip
    return replace(book, **changes)


@pytest.fixture
def book() -> Gradebook:
    """Everything that can happen to a submission, once."""
    wrong = check("matmul/gradients", Outcome.FAILED, failure=WRONG)
    hidden = check(
        "bias/mutation", Outcome.TIMED_OUT, seconds=4.0, visibility=Visibility.HIDDEN,
        failure=Failure("gave no answer within 4 s"),
    )  # fmt: skip
    raised = check(
        "matmul/forward", Outcome.RAISED,
        failure=Failure(f"raised RuntimeError: {HOSTILE}", actual=HOSTILE, where="operators.py:3"),
    )  # fmt: skip
    broken = check("bias/forward", Outcome.GRADER_ERROR, failure=Failure("the grader broke"))
    group = (
        Person("Zhang “Z” Wei, Jr.", "@00123456", "z@example.edu"),
        Person("Zoë Ångström", None, "zoe@example.edu"),
    )
    return gradebook(
        grade("submission_1", "Ada Lovelace", result(), previous=9.0),
        grade("submission_2", '=HYPERLINK("http://x")', result(wrong), digest="same"),
        grade("submission_3", "Points Possible", result(hidden), digest="other"),
        grade("submission_4", "<script>alert(1)</script>", result(raised)),
        grade("submission_5", "Grace\nHopper", rejected()),
        grade(
            "submission_6", "Late Larry", result(), score=8.0, lateness=Lateness(2, 0.8),
            timestamp=STARTED,
        ),
        grade("submission_7", "Kurt Gödel", result(
            broken, status=Status.GRADER_ERROR, score=None,
            fault="Traceback …\nOSError: no space left on device",
        )),
        grade("submission_8", None, None, error="not a zip file; hand in a zip", timestamp=None),
        grade("submission_9", None, result(wrong), people=group),
        grade("submission_0", "Ada Lovelace", result(wrong, hidden), counts=False, score=5.0),
    )  # fmt: skip


@pytest.fixture(scope="session")
def cohort_of() -> Callable[[int], Gradebook]:
    """A gradebook of n made-up students, the same ones every time; the able pass more."""

    def make(n: int, *, prefix: str = "Student") -> Gradebook:
        chance = random.Random(n)
        grades = []
        for i in range(n):
            ability = chance.random()
            failed = [
                check(id_, Outcome.FAILED, failure=WRONG)
                for id_ in TITLES
                if chance.random() > ability
            ]
            grades.append(grade(f"submission_{i}", f"{prefix} {i:04d}", result(*failed)))
        return gradebook(*grades)

    return make


@pytest.fixture(scope="session")
def making():
    """The builders above, for tests that need a book of their own."""

    class Making:
        check = staticmethod(check)
        result = staticmethod(result)
        rejected = staticmethod(rejected)
        grade = staticmethod(grade)
        gradebook = staticmethod(gradebook)
        wrong = WRONG
        hostile = HOSTILE

    return Making
