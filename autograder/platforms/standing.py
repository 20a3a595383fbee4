"""What due dates and earlier attempts make of a Gradescope report, under the config's `[late]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from autograder.config import Attempts, Late
from autograder.platforms.gradescope_metadata import Metadata, Previous
from autograder.regrade.late import final_score, lateness

__all__ = ["apply_rules"]


def apply_rules(report: dict[str, Any], late: Late, metadata: Metadata) -> None:
    """Put what counts into a finished report: its score, a sentence why, its leaderboard.

    The checks keep their own points; Gradescope shows the total from `score`.
    """
    facts: dict[str, Any] = {
        "attempt": len(metadata.previous) + 1,
        "submitted": None if metadata.created_at is None else metadata.created_at.isoformat(),
    }
    report["extra_data"] |= facts
    if "score" not in report:
        return
    report["extra_data"]["raw_score"] = report["score"]
    _penalise(report, late, metadata)
    if late.attempts is Attempts.BEST:
        _keep_best(report, metadata.previous)


def _penalise(report: dict[str, Any], late: Late, metadata: Metadata) -> None:
    found = lateness(late, metadata.created_at, metadata.due)
    if found is None or not found.days or not late.per_day:
        return
    report["score"] = final_score(report["score"], found)
    report["extra_data"]["days_late"] = found.days
    days = "1 day" if found.days == 1 else f"{found.days} days"
    report["output"] += f"\nHanded in {days} late: {found.factor * 100:g} % of the points count."


def _keep_best(report: dict[str, Any], previous: Iterable[Previous]) -> None:
    for earlier in previous:
        if earlier.score is not None and earlier.score > report["score"]:
            report["score"] = round(earlier.score, 2)
            report["extra_data"]["kept_from_earlier"] = True
        boards = earlier.leaderboard()
        for board in report["leaderboard"]:
            before = boards.get(board["name"])
            if _better(before, board["value"], ascending=board.get("order") == "asc"):
                board["value"] = before
    if report["extra_data"].get("kept_from_earlier"):
        # No number: a hidden check would show in it.
        report["output"] += "\nAn earlier submission of yours scored higher, and the best counts."


def _better(before: Any, now: Any, *, ascending: bool) -> bool:
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (before, now))
    return numbers and (before < now if ascending else before > now)
