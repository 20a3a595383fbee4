"""Gradescope's submission_metadata.json, as far as grading cares: when, for whom, what before.

Source: Gradescope's autograder specification. Late rules go by `created_at`, never by the clock:
a regrade next week is not a late submission.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from autograder.errors import InputError

__all__ = ["Metadata", "Previous", "read_metadata"]


@dataclass(frozen=True, slots=True)
class Previous:
    """An earlier submission of the same people. `score` is None if it never got one."""

    time: datetime | None
    score: float | None
    failed: bool
    results: Mapping[str, Any]

    def leaderboard(self) -> dict[str, Any]:
        """Name -> value of its leaderboard."""
        entries = self.results.get("leaderboard")
        return {
            entry["name"]: entry.get("value")
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
        }


@dataclass(frozen=True, slots=True)
class Metadata:
    """One submission. Times have a zone. What isn't there, or isn't as documented, is None.

    `due` is the due date *of these people*, extensions included; `late_due` the end of the late
    period. `previous` is sorted as Gradescope gives it, oldest first.
    """

    id: str | None = None
    created_at: datetime | None = None
    due: datetime | None = None
    late_due: datetime | None = None
    title: str | None = None
    total_points: float | None = None
    people: tuple[str, ...] = ()
    previous: tuple[Previous, ...] = ()


def read_metadata(path: Path) -> Metadata:
    """Read the file. Raises InputError, one line, if it isn't there or isn't what it should be."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: is missing; graded without due dates") from None
    except OSError as error:
        raise InputError(f"{path}: can't be read ({error.strerror}); graded without") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: is not valid JSON; graded without due dates") from None
    if not isinstance(data, Mapping):
        raise InputError(f"{path}: is not a JSON object; graded without due dates")
    assignment = _mapping(data.get("assignment"))
    people = [_mapping(user) for user in _list(data.get("users"))]
    # An extension lies with the person; a group has the latest of its members'.
    own = [_mapping(person.get("assignment")) for person in people]
    return Metadata(
        id=_text(data.get("id")),
        created_at=_time(data.get("created_at")),
        due=_latest(own, "due_date") or _time(assignment.get("due_date")),
        late_due=_latest(own, "late_due_date") or _time(assignment.get("late_due_date")),
        title=_text(assignment.get("title")),
        total_points=_number(assignment.get("total_points")),
        people=tuple(name for person in people if (name := _text(person.get("name")))),
        previous=tuple(_previous(_mapping(p)) for p in _list(data.get("previous_submissions"))),
    )


def _previous(entry: Mapping[str, Any]) -> Previous:
    return Previous(
        time=_time(entry.get("submission_time")),
        score=_number(entry.get("score")),
        failed=entry.get("autograder_error") is True,
        results=_mapping(entry.get("results")),
    )


def _latest(tables: list[Mapping[str, Any]], key: str) -> datetime | None:
    times = [time for table in tables if (time := _time(table.get(key))) is not None]
    return max(times, default=None)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value) or None


def _number(value: Any) -> float | None:
    # Points are strings there ("20.0"), scores numbers.
    try:
        number = float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None
    finite = number is not None and abs(number) < float("inf")
    return number if finite and not isinstance(value, bool) else None


def _time(value: Any) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None
