"""PrairieLearn's results.json: fractions, nothing hidden, small enough, no attempt lost by us."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from autograder.config import Visibility
from autograder.outcome import Failure, Outcome
from autograder.reports.prairielearn import MOST_BYTES, OUR_FAULT, prairielearn
from autograder.result import CheckResult, ExerciseResult, Result, Status

PASSED = CheckResult("one/a", "a works", Outcome.PASSED, 3.0, 3.0)
FAILED = CheckResult(
    "one/b", "b works", Outcome.FAILED, 0.0, 1.0, failure=Failure("`f` is wrong", "1", "2")
)


def result(*checks: CheckResult, **changes) -> Result:
    score = sum(check.score or 0 for check in checks)
    most = sum(check.max_score for check in checks)
    made = Result(
        "a9", "Nine", Status.GRADED, score, most,
        (ExerciseResult("one", "One", score, most, checks),),
    )  # fmt: skip
    return replace(made, **changes)


def test_the_whole_report():
    assert prairielearn(result(PASSED, FAILED)) == {
        "gradable": True,
        "score": 0.75,
        "message": "",
        "tests": [
            {"name": "One: a works", "points": 3.0, "max_points": 3.0, "message": "passed",
             "output": ""},
            {"name": "One: b works", "points": 0.0, "max_points": 1.0, "message": "wrong answer",
             "output": "`f` is wrong\n  expected: 1\n  got:      2"},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("visibility", [v for v in Visibility if v is not Visibility.VISIBLE])
def test_a_check_that_is_not_visible_stays_out_but_counts(visibility):
    report = prairielearn(result(PASSED, replace(FAILED, visibility=visibility)))
    assert [test["name"] for test in report["tests"]] == ["One: a works"]
    assert report["score"] == 0.75
    assert report["message"] == "Some checks are not shown; they count as well."


def test_a_rejected_submission_costs_no_attempt_and_says_why():
    rejected = result(FAILED, status=Status.REJECTED, score=0.0, messages=("a.py is missing",))
    report = prairielearn(rejected)
    assert report["gradable"] is False
    assert report["format_errors"] == ["a.py is missing"]
    assert "score" not in report


def test_a_fault_of_ours_costs_no_attempt():
    report = prairielearn(result(PASSED, status=Status.GRADER_ERROR, score=None, fault="trace"))
    assert report["gradable"] is False
    assert report["format_errors"] == [OUR_FAULT]
    assert "trace" not in json.dumps(report)


def test_an_incomplete_result_is_a_fault_of_ours():
    partial = result(PASSED, status=Status.GRADER_ERROR, score=None, complete=False)
    assert prairielearn(partial)["gradable"] is False


def test_the_file_never_gets_too_large():
    failure = Failure("é" * 4000, expected="\\" * 4000)
    many = [replace(FAILED, id=f"one/{n}", title=f"check {n}", failure=failure) for n in range(900)]
    report = prairielearn(result(*many, messages=("x" * 5000,) * 50))
    assert len(json.dumps(report, ensure_ascii=False).encode()) <= MOST_BYTES
    assert len(report["tests"]) == 900
    assert report["score"] == 0.0


def test_control_characters_do_not_get_through():
    report = prairielearn(result(replace(FAILED, failure=Failure("\x1b[2J‮</script>"))))
    assert "\x1b" not in json.dumps(report, ensure_ascii=False)
    assert "‮" not in json.dumps(report, ensure_ascii=False)
