"""Classroom 50's result.json, and the text of the release that carries it.

Source: Classroom 50's wiki, “Advanced Autograding”. Scores are integers there, so ours are counted
in hundredths: 87.48 of 100 points are 8748 of 10000. One entry in `tests` per exercise; what went
wrong is added in a field of ours, which Classroom 50 keeps. A fault of ours has no result at all:
the grader then exits with an error, and the submission is listed as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from autograder.config import Visibility
from autograder.errors import InputError
from autograder.reports.wording import explain, plain
from autograder.result import ExerciseResult, Result

__all__ = ["SCHEMA", "Identity", "classroom50", "release_body"]

SCHEMA = "classroom50/result/v1"
HUNDREDTHS = 100
_VARIABLES = ("CLASSROOM", "ASSIGNMENT", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL")


@dataclass(frozen=True, slots=True)
class Identity:
    """Which submission it is, in Classroom 50's own words: names, a tag, and addresses."""

    classroom: str
    assignment: str
    submission: str
    commit: str
    release: str
    review: str
    owner: str | None = None
    assignment_type: str | None = None

    @staticmethod
    def from_environment(variables: Mapping[str, str]) -> Identity:
        """What the runner tells its autograder. Raises InputError naming what is missing."""
        missing = [f"${name}" for name in _VARIABLES if not variables.get(name)]
        if missing:
            raise InputError(f"{', '.join(missing)} not set; Classroom 50's runner sets them")
        classroom, assignment, tag, commit, release = (variables[name] for name in _VARIABLES)
        return Identity(
            classroom, assignment, tag, commit, release,
            review=variables.get("REVIEW_URL") or commit,
            owner=variables.get("OWNER") or variables.get("USERNAME") or None,
            assignment_type=variables.get("ASSIGNMENT_TYPE") or None,
        )  # fmt: skip


def classroom50(result: Result, identity: Identity, now: datetime) -> dict[str, Any]:
    """The result as Classroom 50 reads it. `now` has a zone. Raises ValueError without a score."""
    if result.score is None:
        raise ValueError("a result without a score has no place in Classroom 50")
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "classroom": identity.classroom,
        "assignment": identity.assignment,
        "submission": identity.submission,
        "commit": identity.commit,
        "release": identity.release,
        "review": identity.review,
        "datetime": stamp,
        "graded_at": stamp,
        "score": _hundredths(result.score),
        "max-score": _hundredths(result.max_score),
        "tests": [_test(result, exercise) for exercise in result.exercises],
    }
    if identity.owner is not None:
        report["owner"] = identity.owner
    if identity.assignment_type is not None:
        report["assignment_type"] = identity.assignment_type
    return report


def release_body(result: Result) -> str:
    """What students read on the release's page, in Markdown."""
    lines = [f"### {result.title}: {result.score or 0:g} of {result.max_score:g} points", ""]
    lines += [f"> {_escaped(plain(message, 1000))}" for message in result.messages]
    for exercise in result.exercises:
        lines += ["", f"**{_escaped(exercise.title)}**: {_points(exercise)}"]
        for check in exercise.checks:
            if check.visibility is Visibility.VISIBLE and check.score != check.max_score:
                text = plain(explain(check, result.feedback), 2000)
                lines += ["", f"- {_escaped(check.title)}", "", *_fenced(text)]
    return "\n".join(lines) + "\n"


def _test(result: Result, exercise: ExerciseResult) -> dict[str, Any]:
    score, most = _hundredths(exercise.score or 0.0), _hundredths(exercise.max_score)
    texts = [
        f"{check.title}\n{explain(check, result.feedback)}"
        for check in exercise.checks
        if check.visibility is Visibility.VISIBLE and check.score != check.max_score
    ]
    return {
        "test-name": plain(exercise.title, 200),
        "passed": score == most,
        "score": score,
        "max-score": most,
        "output": plain("\n".join(texts), 8000),
    }


def _points(exercise: ExerciseResult) -> str:
    if any(check.visibility is not Visibility.VISIBLE for check in exercise.checks):
        return "has checks that are not shown"
    return f"{exercise.score or 0:g} of {exercise.max_score:g}"


def _hundredths(points: float) -> int:
    return round(points * HUNDREDTHS)


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "\\`*_[]<>#|!" else c for c in text.replace("\n", " "))


def _fenced(text: str) -> list[str]:
    # Longer than any fence in it: what a student's code says stays text.
    fence = "`" * max(3, _longest_run(text) + 1)
    return ["  " + line for line in (fence, *text.splitlines(), fence)]


def _longest_run(text: str) -> int:
    longest = run = 0
    for character in text:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
