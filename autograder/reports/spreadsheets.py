"""The whole gradebook as one table: a row per student, a column per exercise."""

from __future__ import annotations

from autograder.regrade.gradebook import Grade, Gradebook
from autograder.reports.delimited import Cell, delimited
from autograder.reports.rows import Row, exercise_scores, note, status, student_rows

__all__ = ["columns", "excel", "records", "spreadsheet"]

BYTE_ORDER_MARK = "\ufeff"


def spreadsheet(book: Gradebook) -> str:
    """Everything about everybody, in the columns of `columns`."""
    rows = records(book)
    return delimited([list(columns(book)), *(list(row.values()) for row in rows)])


def excel(book: Gradebook) -> str:
    """`spreadsheet` behind a byte-order mark: without one Excel takes UTF-8 for a code page."""
    return BYTE_ORDER_MARK + spreadsheet(book)


def columns(book: Gradebook) -> dict[str, type]:
    """The columns of `spreadsheet` and their types; exercises go by their ids."""
    identity: dict[str, type] = dict.fromkeys(
        ("name", "sid", "email", "submission", "status"), str
    ) | {"score": float, "max_score": float}
    details: dict[str, type] = {
        "raw_score": float, "days_late": float, "late_factor": float, "previous_score": float,
        "submitted": str, "seconds": float, "note": str,
    }  # fmt: skip
    taken = identity | details
    exercises = {
        f"exercise {exercise}" if exercise in taken else exercise: float
        for exercise, _, _ in book.exercises
    }
    return identity | exercises | details


def records(book: Gradebook) -> list[dict[str, Cell]]:
    """One mapping per student, with the keys of `columns` in their order."""
    names = list(columns(book))
    return [
        dict(zip(names, _values(book, row.grade, row), strict=True)) for row in student_rows(book)
    ]


def _values(book: Gradebook, grade: Grade, row: Row) -> list[Cell]:
    result, late, person = grade.result, grade.lateness, row.person
    return [
        person.name, person.sid, person.email, grade.submission, status(grade),
        grade.score, book.max_score, *exercise_scores(book, result).values(),
        None if result is None else result.score,
        None if late is None else late.days,
        None if late is None else late.factor,
        grade.previous,
        None if grade.timestamp is None else grade.timestamp.isoformat(),
        None if result is None else result.seconds,
        note(grade),
    ]  # fmt: skip
