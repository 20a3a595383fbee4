"""Classroom 50's result.json: whole numbers, its own identity, and a page for students."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from autograder.config import Visibility
from autograder.errors import InputError
from autograder.outcome import Failure, Outcome
from autograder.reports.classroom50 import Identity, classroom50, release_body
from autograder.result import CheckResult, ExerciseResult, Result, Status

TOLD = {
    "CLASSROOM": "dl", "ASSIGNMENT": "a9", "SUBMISSION_TAG": "submit/2026-10-01T10-00-00Z-abc",
    "COMMIT_URL": "https://example.org/c", "RELEASE_URL": "https://example.org/r",
}  # fmt: skip
NOW = datetime(2026, 10, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
PASSED = CheckResult("one/a", "a works", Outcome.PASSED, 3.43, 3.43)
FAILED = CheckResult(
    "two/b", "b works", Outcome.FAILED, 0.0, 2.0, failure=Failure("`f` is wrong", "1", "2")
)


def result(second: CheckResult = FAILED, **changes) -> Result:
    made = Result(
        "a9", "Nine", Status.GRADED, 3.43, 5.43,
        (ExerciseResult("one", "One", 3.43, 3.43, (PASSED,)),
         ExerciseResult("two", "Two", 0.0, 2.0, (second,))),
    )  # fmt: skip
    return replace(made, **changes)


def identity(**changes: str) -> Identity:
    return Identity.from_environment(TOLD | changes)


def test_the_whole_report():
    told = identity(REVIEW_URL="https://example.org/d", OWNER="ada", ASSIGNMENT_TYPE="individual")
    assert classroom50(result(), told, NOW) == {
        "schema": "classroom50/result/v1",
        "classroom": "dl", "assignment": "a9", "submission": TOLD["SUBMISSION_TAG"],
        "commit": "https://example.org/c", "release": "https://example.org/r",
        "review": "https://example.org/d",
        "datetime": "2026-10-01T10:00:00Z", "graded_at": "2026-10-01T10:00:00Z",
        "score": 343, "max-score": 543,
        "tests": [
            {"test-name": "One", "passed": True, "score": 343, "max-score": 343, "output": ""},
            {"test-name": "Two", "passed": False, "score": 0, "max-score": 200,
             "output": "b works\n`f` is wrong\n  expected: 1\n  got:      2"},
        ],
        "owner": "ada", "assignment_type": "individual",
    }  # fmt: skip


def test_without_a_review_the_commit_is_what_to_look_at():
    report = classroom50(result(), identity(), NOW.astimezone(UTC))
    assert report["review"] == report["commit"]
    assert "owner" not in report


def test_every_number_is_an_integer_and_they_add_up():
    report = classroom50(result(), identity(), NOW)
    for entry in (report, *report["tests"]):
        assert type(entry["score"]) is type(entry["max-score"]) is int
        assert 0 <= entry["score"] <= entry["max-score"]
    assert sum(test["score"] for test in report["tests"]) == report["score"]
    assert sum(test["max-score"] for test in report["tests"]) == report["max-score"]


@pytest.mark.parametrize("name", TOLD)
def test_what_the_runner_did_not_say_is_named(name):
    with pytest.raises(InputError, match=rf"\${name} not set"):
        identity(**{name: ""})


def test_a_result_without_a_score_has_no_place():
    with pytest.raises(ValueError, match="without a score"):
        classroom50(result(status=Status.GRADER_ERROR, score=None), identity(), NOW)


def test_what_is_not_visible_is_not_shown():
    hidden = result(replace(FAILED, visibility=Visibility.HIDDEN))
    assert "b works" not in str(classroom50(hidden, identity(), NOW))
    body = release_body(hidden)
    assert "b works" not in body
    assert "**Two**: has checks that are not shown" in body


def test_the_page_for_students():
    body = release_body(result(messages=("ignored 1 other file.",)))
    assert body.startswith("### Nine: 3.43 of 5.43 points\n\n> ignored 1 other file.\n")
    assert "**One**: 3.43 of 3.43" in body
    assert "\n- b works\n\n  ```\n  `f` is wrong\n    expected: 1" in body


def test_what_students_write_stays_text():
    wicked = Failure("```\n# big\n<script>\n````\n![x](y)")
    body = release_body(result(replace(FAILED, title="a|b *c*", failure=wicked)))
    lines = body.splitlines()
    fence = next(line.strip() for line in lines if line.strip().startswith("`"))
    assert fence == "`````"
    assert lines.count(f"  {fence}") == 2
    assert "- a\\|b \\*c\\*" in lines
