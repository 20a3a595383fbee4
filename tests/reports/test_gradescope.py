"""Gradescope's results.json: every field, no NaN, nothing of ours, nothing dangerous of theirs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from autograder.config import Feedback, Visibility
from autograder.outcome import Failure, Outcome
from autograder.reports.gradescope import gradescope
from autograder.reports.wording import explain, plain, summary
from autograder.result import CheckResult, ExerciseResult, Result, Status

PASSED = CheckResult("one/a", "a works", Outcome.PASSED, 3.0, 3.0)
FAILED = CheckResult(
    "one/b", "b works", Outcome.FAILED, 0.0, 2.0,
    failure=Failure("`f` is wrong", "1", "2", "Think of the sign.", "sign_lost", "x = 3", "a.py:4"),
    visibility=Visibility.AFTER_PUBLISHED, number="7", tags=("hard",),
    leaderboard={"name": "speed", "value": 2.5, "order": "asc"},
)  # fmt: skip


def result(*checks: CheckResult, **changes) -> Result:
    score = sum(check.score or 0 for check in checks)
    most = sum(check.max_score for check in checks)
    made = Result(
        "a9", "Nine", Status.GRADED, score, most,
        (ExerciseResult("one", "One", score, most, checks),),
        isolation={"uid": "active"}, versions={"torch": "2"}, seconds=1.25,
    )  # fmt: skip
    return replace(made, **changes)


def test_the_whole_report():
    report = gradescope(result(PASSED, FAILED))
    assert report["score"] == 3.0
    assert report["execution_time"] == 1.25
    assert report["visibility"] == "visible"
    assert report["stdout_visibility"] == "hidden"
    assert report["leaderboard"] == [{"name": "speed", "value": 2.5, "order": "asc"}]
    first, second = report["tests"]
    assert first == {
        "name": "One: a works", "number": "1.1", "status": "passed", "score": 3.0,
        "max_score": 3.0, "output": "", "output_format": "text", "name_format": "text",
        "tags": ["one"], "visibility": "visible",
        "extra_data": {"id": "one/a", "outcome": "passed"},
    }  # fmt: skip
    assert (second["status"], second["score"], second["number"]) == ("failed", 0.0, "7")
    assert second["visibility"] == "after_published"
    assert second["tags"] == ["one", "hard"]
    assert second["output"] == (
        "`f` is wrong (at a.py:4)\n  expected: 1\n  got:      2\n  input:    x = 3\n"
        "Hint: Think of the sign."
    )


def test_the_overview_speaks_of_public_checks_only():
    overview = gradescope(result(PASSED, FAILED))["output"]
    assert "1 of 1 public checks pass." in overview
    assert "One:" not in overview
    assert "One: 3 of 3" in gradescope(result(PASSED))["output"]


@pytest.mark.parametrize(
    ("level", "has", "lacks"),
    [
        (Feedback.FULL, ["expected: 1", "x = 3", "Hint"], []),
        (Feedback.SUMMARY, ["`f` is wrong", "Hint"], ["expected", "x = 3"]),
        (Feedback.NONE, ["wrong answer"], ["`f`", "Hint", "expected"]),
    ],
)
def test_the_feedback_level_decides_how_much_is_said(level, has, lacks):
    text = explain(FAILED, level)
    assert all(words in text for words in has)
    assert not any(words in text for words in lacks)
    assert explain(PASSED, level) == ""


def test_a_grader_error_has_no_score_and_says_whose_fault_it_is():
    broken = replace(PASSED, outcome=Outcome.GRADER_ERROR, score=None)
    report = gradescope(
        result(broken, status=Status.GRADER_ERROR, score=None, fault="/secret/path: Traceback")
    )
    assert "score" not in report
    assert "score" not in report["tests"][0]
    assert "not in your code" in report["output"]
    assert "/secret" not in json.dumps(report)


def test_an_incomplete_report_says_so():
    report = gradescope(result(PASSED, complete=False))
    assert "incomplete" in report["output"]
    assert report["extra_data"]["complete"] is False


def test_a_rejected_submission_reads_its_reason_first():
    report = gradescope(
        result(FAILED, status=Status.REJECTED, score=0.0, messages=("a.py:1: syntax error",))
    )
    assert report["output"].startswith("a.py:1: syntax error")
    assert report["score"] == 0.0


def test_dangerous_text_is_made_plain():
    text = "\x1b[31mred\x1b[0m \u202eevil \x00null\ttab\nline \ud800"
    clean = plain(text)
    assert "\x1b" not in clean
    assert "\u202e" not in clean
    assert "\nline" in clean
    json.dumps(clean).encode()
    assert len(plain("x" * 10_000)) == 4000
    assert plain("x" * 10_000).endswith("…")


def test_a_report_is_strict_json():
    text = json.dumps(gradescope(result(PASSED, FAILED)), allow_nan=False)
    assert json.loads(text)["tests"]


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (result(PASSED), "everything passes"),
        (result(PASSED, FAILED), "one: sign lost"),
        (
            result(replace(FAILED, failure=Failure("`f` is wrong"))),
            "one: `f` is wrong",
        ),
        (
            result(replace(FAILED, outcome=Outcome.TIMED_OUT, failure=Failure("gave no answer"))),
            "one: timed out: gave no answer",
        ),
        (result(FAILED, status=Status.REJECTED, messages=("no file",)), "rejected: no file"),
        (
            result(PASSED, status=Status.GRADER_ERROR),
            "grader error: no score; the reason is in result.json, “fault”",
        ),
    ],
)
def test_a_summary_is_one_line(made, line):
    assert summary(made) == line


def test_a_result_survives_json():
    original = result(PASSED, FAILED, messages=("note",))
    assert Result.from_json(json.loads(json.dumps(original.to_json()))) == original
    with pytest.raises(ValueError, match="not a autograder/result/v1"):
        Result.from_json({"format": "other"})
