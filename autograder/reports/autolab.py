"""Autolab's autoresult: the lines that a grader prints last.

Source: Autolab's “Guide for Lab Authors” and “Formatted Feedback”. The very last line gives the
scores, by the names of the lab's problems: our exercises' ids. The line before it is shown to
students as a list of stages with their cases. Without a last line in JSON, Autolab records no
score at all, which is what a fault of ours must come to.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

from autograder.config import Visibility
from autograder.reports.wording import explain, plain
from autograder.result import ExerciseResult, Result, Status

__all__ = ["OUR_FAULT", "autolab"]

OUR_FAULT = (
    "Something went wrong in the autograder, not in your code. No score was recorded; please tell "
    "the course staff."
)


def autolab(result: Result) -> str:
    """What to print: lines for students, then the feedback, then the scores."""
    lines = [plain(message, 1000) for message in result.messages]
    if result.status is Status.GRADER_ERROR or result.score is None:
        return "\n".join([*lines, OUR_FAULT])
    if result.status is Status.REJECTED:
        lines.append("Your submission could not be graded as it is: fix this and hand in again.")
    lines.append(_line(_feedback(result)))
    lines.append(_line(_scores(result)))
    return "\n".join(lines)


def _feedback(result: Result) -> dict[str, Any]:
    stages = {exercise.title: _cases(result, exercise) for exercise in result.exercises}
    shown = {title: cases for title, cases in stages.items() if cases}
    return {"_presentation": "semantic", "stages": list(shown), **shown}


def _cases(result: Result, exercise: ExerciseResult) -> dict[str, Any]:
    cases: dict[str, Any] = {}
    for check in exercise.checks:
        if check.visibility is not Visibility.VISIBLE:
            continue
        passed = check.score == check.max_score
        case: dict[str, Any] = {"passed": passed}
        if not passed:
            case["hint"] = plain(explain(check, result.feedback), 2000)
        cases[_free(plain(check.title, 200), cases)] = case
    return cases


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The name, with a number if another check has the same: a case must not hide another."""
    names = (name if n == 1 else f"{name} ({n})" for n in count(1))
    return next(candidate for candidate in names if candidate not in taken)


def _scores(result: Result) -> dict[str, Any]:
    scores = {exercise.id: exercise.score or 0.0 for exercise in result.exercises}
    return {"scores": scores, "scoreboard": [result.score, *scores.values()]}


def _line(data: dict[str, Any]) -> str:
    # One line each: json escapes every line break within a text.
    return json.dumps(data, allow_nan=False)
