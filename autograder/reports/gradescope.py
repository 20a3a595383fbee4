"""Gradescope's results.json.

Source: Gradescope's autograder specification. `score` overrides the sum of the tests, and is
left out when the grader itself failed, so that nobody silently gets a zero. A hidden test hides
the total from students, so the summary speaks of the checks they can see.
"""

from __future__ import annotations

from typing import Any

from autograder.config import Visibility
from autograder.outcome import Outcome
from autograder.reports.wording import explain, headline, plain
from autograder.result import CheckResult, ExerciseResult, Result, Status

__all__ = ["gradescope"]


def gradescope(result: Result) -> dict[str, Any]:
    """The result as Gradescope reads it: JSON types only, no NaN."""
    tests = [
        _test(result, exercise, check, f"{i}.{j}")
        for i, exercise in enumerate(result.exercises, 1)
        for j, check in enumerate(exercise.checks, 1)
    ]
    boards = [check.leaderboard for e in result.exercises for check in e.checks]
    report: dict[str, Any] = {
        "output": _overview(result),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": str(result.visibility),
        "stdout_visibility": "hidden",
        "execution_time": round(result.seconds, 2),
        "tests": tests,
        "leaderboard": [dict(board) for board in boards if board is not None],
        "extra_data": _extra(result),
    }
    # An incomplete report has no total: what was not looked at yet must not count as lost.
    graded = result.complete and result.status is not Status.GRADER_ERROR
    if graded and result.score is not None:
        report["score"] = result.score
    return report


def _test(
    result: Result, exercise: ExerciseResult, check: CheckResult, position: str
) -> dict[str, Any]:
    passed = check.outcome is Outcome.PASSED and check.score == check.max_score
    test: dict[str, Any] = {
        "name": plain(f"{exercise.title}: {check.title}", 300),
        "number": check.number or position,
        "status": "passed" if passed else "failed",
        "max_score": check.max_score,
        "output": explain(check, result.feedback),
        "output_format": "text",
        "name_format": "text",
        "tags": [exercise.id, *check.tags],
        "visibility": str(check.visibility),
        "extra_data": {"id": check.id, "outcome": str(check.outcome)},
    }
    # Without a score of its own a result gets the sum of its tests': a partial one, if we broke.
    if check.score is not None and result.status is not Status.GRADER_ERROR:
        test["score"] = check.score
    return test


def _overview(result: Result) -> str:
    lines = [plain(message, 1000) for message in result.messages]
    if result.status is Status.REJECTED:
        lines.append(
            "Your submission could not be graded as it is: fix the line above and resubmit."
        )
    elif result.status is Status.GRADER_ERROR:
        lines.append(
            "Something went wrong in the autograder, not in your code. No score was recorded; "
            "please tell the course staff. Checks marked so were not graded."
        )
    else:
        seen = [c for e in result.exercises for c in e.checks if c.visibility is Visibility.VISIBLE]
        passed = sum(check.outcome is Outcome.PASSED for check in seen)
        lines.append(f"{passed} of {len(seen)} public checks pass.")
        lines += [
            f"  {exercise.title}: {_share(exercise)}"
            for exercise in result.exercises
            if all(check.visibility is Visibility.VISIBLE for check in exercise.checks)
        ]
    if not result.complete:
        lines.append(
            "This result is incomplete: grading was still going on when it was written. What is "
            "marked as not graded yet has not been looked at."
        )
    return "\n".join(lines)


def _share(exercise: ExerciseResult) -> str:
    if exercise.score is None:
        return "not graded"
    wrong = next((c for c in exercise.checks if c.outcome is not Outcome.PASSED), None)
    reason = "" if wrong is None else f" ({headline(wrong)})"
    return f"{exercise.score:g} of {exercise.max_score:g}{reason}"


def _extra(result: Result) -> dict[str, Any]:
    return {
        "assignment": result.assignment,
        "status": str(result.status),
        "complete": result.complete,
        "isolation": dict(result.isolation),
        "versions": dict(result.versions),
    }
