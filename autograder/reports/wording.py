"""How a check's ending is put into words, under the config's feedback level."""

from __future__ import annotations

import re

from autograder.config import Feedback
from autograder.outcome import Failure, Outcome
from autograder.result import CheckResult, Result, Status

__all__ = ["explain", "headline", "plain"]

_LIMIT = 4000
_OUTCOMES = {
    Outcome.PASSED: "passed",
    Outcome.FAILED: "wrong answer",
    Outcome.RAISED: "raised an exception",
    Outcome.CRASHED: "crashed",
    Outcome.TIMED_OUT: "timed out",
    Outcome.OUT_OF_MEMORY: "out of memory",
    Outcome.FORBIDDEN: "forbidden",
    Outcome.NOT_RUN: "not run",
    Outcome.GRADER_ERROR: "could not be graded (a fault of the grader, not of your code)",
}
# Outcomes that a failure's own sentence doesn't always name.
_UNSAID = (Outcome.TIMED_OUT, Outcome.CRASHED, Outcome.FORBIDDEN, Outcome.OUT_OF_MEMORY)
# C0 and C1 controls but for newline, and the bidirectional overrides that reorder a line. The
# marks (U+200E, U+200F, U+061C) order only what stands beside them, and honest names have them.
_UNPRINTABLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def plain(text: str, limit: int = _LIMIT) -> str:
    """Text from a student's program, without control characters, cut to `limit` characters."""
    clean = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
    clean = clean.encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def headline(check: CheckResult) -> str:
    """How the check ended, in two or three words."""
    if check.outcome is Outcome.FAILED and check.score:
        return "partial credit"
    return _OUTCOMES[check.outcome]


def explain(check: CheckResult, level: Feedback) -> str:
    """What a student reads below the check's title; empty for a passed check."""
    failure = check.failure
    if check.outcome is Outcome.PASSED or failure is None:
        return ""
    if level is Feedback.NONE:
        return headline(check)
    return plain("\n".join(_lines(check, failure, level)))


def _lines(check: CheckResult, failure: Failure, level: Feedback) -> list[str]:
    place = f" (at {failure.where})" if failure.where else ""
    lines = [f"{_capital(failure.rationale)}{place}"]
    if check.outcome not in (Outcome.FAILED, Outcome.RAISED, Outcome.NOT_RUN):
        lines[0] = f"{_capital(headline(check))}: {failure.rationale}{place}"
    if level is Feedback.FULL:
        if failure.expected is not None:
            lines.append(f"  expected: {failure.expected}")
        if failure.actual is not None:
            lines.append(f"  got:      {failure.actual}")
        if failure.example is not None:
            lines.append(f"  input:    {failure.example}")
    if failure.help is not None:
        lines.append(f"Hint: {failure.help}")
    return lines


def _capital(text: str) -> str:
    first = text.partition(" ")[0]
    # A name of the student's code (grad_w) keeps its spelling.
    return text if "_" in first or not first.isalpha() else text[:1].upper() + text[1:]


def summary(result: Result) -> str:
    """One line on the whole result, for tables: what went wrong, most telling first."""
    if result.status is Status.REJECTED:
        return plain("rejected: " + (result.messages[-1] if result.messages else ""), 200)
    if result.status is Status.GRADER_ERROR:
        return "grader error: no score; the reason is in result.json, “fault”"
    missed = [c for e in result.exercises for c in e.checks if c.outcome is not Outcome.PASSED]
    if not missed:
        return "everything passes"
    telling = next((c for c in missed if c.failure and c.failure.misconception), None)
    telling = telling or next((c for c in missed if c.outcome is not Outcome.NOT_RUN), missed[0])
    failure = telling.failure
    exercise = telling.id.partition("/")[0]
    others = sum(c.outcome is not Outcome.NOT_RUN for c in missed) - 1
    more = f" (+{others} more)" if others > 0 else ""
    if failure is None:
        return f"{exercise}: {headline(telling)}{more}"
    if failure.misconception is not None:
        return plain(f"{exercise}: {failure.misconception.replace('_', ' ')}{more}", 200)
    word = f"{headline(telling)}: " if telling.outcome in _UNSAID else ""
    return plain(f"{exercise}: {word}{failure.rationale}{more}", 200)
