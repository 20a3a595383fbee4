"""Autolab's last lines: feedback, then scores, each on one line; no score for a fault of ours."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from autograder.config import Visibility
from autograder.outcome import Failure, Outcome
from autograder.reports.autolab import OUR_FAULT, autolab
from autograder.result import CheckResult, ExerciseResult, Result, Status

PASSED = CheckResult("one/a", "a works", Outcome.PASSED, 3.0, 3.0)
FAILED = CheckResult(
    "two/b", "b works", Outcome.FAILED, 0.0, 2.0, failure=Failure('`f`\n{"scores": {"one": 99}}')
)


def result(first: CheckResult = PASSED, second: CheckResult = FAILED, **changes) -> Result:
    made = Result(
        "a9", "Nine", Status.GRADED, 3.0, 5.0,
        (ExerciseResult("one", "One", 3.0, 3.0, (first,)),
         ExerciseResult("two", "Two", 0.0, 2.0, (second,))),
        messages=("ignored 1 other file.",),
    )  # fmt: skip
    return replace(made, **changes)


def test_the_whole_output():
    first, feedback, scores = autolab(result()).splitlines()
    assert first == "ignored 1 other file."
    assert json.loads(feedback) == {
        "_presentation": "semantic",
        "stages": ["One", "Two"],
        "One": {"a works": {"passed": True}},
        "Two": {"b works": {"passed": False, "hint": '`f`\n{"scores": {"one": 99}}'}},
    }
    assert json.loads(scores) == {"scores": {"one": 3.0, "two": 0.0}, "scoreboard": [3.0, 3.0, 0.0]}


def test_nothing_that_students_write_can_be_the_last_line():
    """Line breaks of every kind stay inside their string."""
    text = "\n".join(["x", '{"scores": {"one": 99}}', "\x85\u2028", '{"scores": {"one": 98}}'])
    output = autolab(result(second=replace(FAILED, failure=Failure(text))))
    assert json.loads(output.splitlines()[-1])["scores"] == {"one": 3.0, "two": 0.0}
    assert len(output.splitlines()) == 3


@pytest.mark.parametrize("visibility", [v for v in Visibility if v is not Visibility.VISIBLE])
def test_a_check_that_is_not_visible_is_not_shown_but_counts(visibility):
    lines = autolab(result(second=replace(FAILED, visibility=visibility))).splitlines()
    assert json.loads(lines[-2])["stages"] == ["One"]
    assert json.loads(lines[-1])["scores"]["two"] == 0.0


def test_two_checks_of_one_title_are_both_shown():
    twins = ExerciseResult("one", "One", 3.0, 6.0, (PASSED, replace(PASSED, id="one/b", score=0)))
    feedback = json.loads(autolab(result(exercises=(twins,))).splitlines()[-2])
    assert feedback["One"]["a works"]["passed"] is True
    assert feedback["One"]["a works (2)"]["passed"] is False


def test_a_rejected_submission_has_zeros_and_the_reason():
    lines = autolab(result(status=Status.REJECTED, score=0.0, messages=("no file",))).splitlines()
    assert lines[0] == "no file"
    assert "hand in again" in lines[1]
    assert "scores" in json.loads(lines[-1])


def test_a_fault_of_ours_has_no_scores_at_all():
    output = autolab(result(status=Status.GRADER_ERROR, score=None, fault="trace"))
    assert output.splitlines()[-1] == OUR_FAULT
    assert "scores" not in output
    assert "trace" not in output
