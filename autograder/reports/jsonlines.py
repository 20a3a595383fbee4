"""JSON lines: every attempt, whole; the canonical result of each with its people."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from autograder.regrade.gradebook import Grade, Gradebook

__all__ = ["FORMAT", "json_lines"]

FORMAT = "autograder/grade/v1"


def json_lines(book: Gradebook) -> str:
    """One object per attempt, superseded ones (`counts` false) too, in the book's order."""
    # ASCII: a reader that splits at U+2028 or U+0085, as Python's splitlines does, stays whole,
    # and so does text that isn't valid Unicode.
    return "".join(
        json.dumps(_record(book, grade), ensure_ascii=True, allow_nan=False) + "\n"
        for grade in book.grades
    )


def _record(book: Gradebook, grade: Grade) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "assignment": book.assignment,
        "run": book.run,
        "submission": grade.submission,
        "people": [asdict(person) for person in grade.people],
        "score": grade.score,
        "max_score": book.max_score,
        "counts": grade.counts,
        "submitted": None if grade.timestamp is None else grade.timestamp.isoformat(),
        "lateness": None if grade.lateness is None else asdict(grade.lateness),
        "previous": grade.previous,
        "digest": grade.digest,
        "error": grade.error,
        "result": None if grade.result is None else grade.result.to_json(),
    }
