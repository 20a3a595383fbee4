"""PrairieLearn's results.json, for its external grader.

Source: PrairieLearn's documentation, “External grading”. `score` is a fraction. What can't be
graded is `gradable: false`, which costs no attempt: a submission that is unusable as it is, and
also a fault of ours, which must not cost anybody anything. Every test in the file is shown to
students, so checks that aren't visible stay out of it; `score` counts them all the same.
"""

from __future__ import annotations

import json
from typing import Any

from autograder.config import Visibility
from autograder.reports.wording import explain, headline, plain
from autograder.result import CheckResult, Result, Status

__all__ = ["MOST_BYTES", "OUR_FAULT", "not_gradable", "prairielearn"]

MOST_BYTES = 1_000_000
"""A larger file is refused, and the job with it."""
OUR_FAULT = (
    "Something went wrong in the autograder, not in your code. This attempt doesn't count; please "
    "tell the course staff."
)
_CUTS = (4000, 1000, 300, 80, 0)


def prairielearn(result: Result) -> dict[str, Any]:
    """The result as PrairieLearn reads it: JSON types only, at most `MOST_BYTES` when written."""
    if result.status is Status.GRADER_ERROR or result.score is None:
        return not_gradable(OUR_FAULT)
    if result.status is Status.REJECTED:
        return not_gradable(*(plain(message, 1000) for message in result.messages[-5:]))
    for cut in _CUTS:
        report = _report(result, cut)
        if len(json.dumps(report, ensure_ascii=False).encode()) <= MOST_BYTES:
            break
    return report


def not_gradable(*lines: str) -> dict[str, Any]:
    """A report that costs neither points nor an attempt, and says why."""
    return {"gradable": False, "format_errors": list(lines), "message": "\n".join(lines)}


def _report(result: Result, cut: int) -> dict[str, Any]:
    tests = [
        _test(result, exercise.title, check, cut)
        for exercise in result.exercises
        for check in exercise.checks
        if check.visibility is Visibility.VISIBLE
    ]
    everything = sum(len(exercise.checks) for exercise in result.exercises)
    messages = [plain(message, max(cut, 80)) for message in result.messages[:20]]
    if len(tests) < everything:
        messages.append("Some checks are not shown; they count as well.")
    return {
        "gradable": True,
        "score": min(1.0, max(0.0, (result.score or 0.0) / result.max_score)),
        "message": "\n".join(messages),
        "tests": tests,
    }


def _test(result: Result, exercise: str, check: CheckResult, cut: int) -> dict[str, Any]:
    return {
        "name": plain(f"{exercise}: {check.title}", 300),
        "points": check.score or 0.0,
        "max_points": check.max_score,
        "message": headline(check),
        "output": plain(explain(check, result.feedback), cut) if cut else "",
    }
