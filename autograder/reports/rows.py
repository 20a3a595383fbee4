"""One row per student: what the exports of a gradebook have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autograder.outcome import Outcome
from autograder.regrade.gradebook import Grade, Gradebook, Person
from autograder.reports.wording import plain, summary
from autograder.result import LEFT_OUT, ExerciseResult, Result

__all__ = ["Row", "exercise_scores", "left_out", "line", "note", "status", "student_rows"]

NOT_GRADED = "not_graded"
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Row:
    """One student and the grade that counts for them; members of a group have one row each."""

    person: Person
    grade: Grade


def student_rows(book: Gradebook) -> list[Row]:
    """Everybody with a counting grade, in the book's order; nobody is left out for any reason."""
    return [
        Row(person, grade)
        for grade in book.grades
        if grade.counts
        for person in grade.people or (Person(grade.submission),)
    ]


def status(grade: Grade) -> str:
    """`graded`, `rejected`, `grader_error`, or `not_graded` where there is no result."""
    return NOT_GRADED if grade.result is None else str(grade.result.status)


def note(grade: Grade) -> str:
    """What went wrong, in one line."""
    if grade.result is None:
        return line(grade.error or "there is no result yet", 300)
    return line(summary(grade.result), 300)


def exercise_scores(book: Gradebook, result: Result | None) -> dict[str, float | None]:
    """The score of each of the book's exercises, before any lateness.

    None stands for “wasn't graded”: no result, a fault of the grader, or other exercises only.
    """
    scores: dict[str, float | None] = {exercise: None for exercise, _, _ in book.exercises}
    for exercise in result.exercises if result is not None else ():
        if exercise.id in scores and not left_out(exercise):
            scores[exercise.id] = exercise.score
    return scores


def left_out(exercise: ExerciseResult) -> bool:
    """Whether it wasn't asked for (`--only`)."""
    return bool(exercise.checks) and all(
        check.outcome is Outcome.NOT_RUN and check.failure == LEFT_OUT for check in exercise.checks
    )


def line(text: str, limit: int = 1000) -> str:
    """Text from outside, on one line, without control characters."""
    return _SPACE.sub(" ", plain(_SPACE.sub(" ", text), limit)).strip()
