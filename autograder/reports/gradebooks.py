"""The gradebooks that Gradescope, Canvas and Moodle exchange as CSV.

Sources: the header of Gradescope's “Download grades”; Canvas's own `lib/gradebook_importer.rb`;
Moodle's `grade/import/csv/classes/load_data.php` and `mod/assign/feedback/offline`.
docs/reports.md says how each is imported.
"""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta

from autograder.config import Visibility
from autograder.errors import InputError
from autograder.regrade.gradebook import Grade, Gradebook, Person
from autograder.reports.delimited import Cell, delimited
from autograder.reports.rows import exercise_scores, left_out, line, student_rows
from autograder.result import Status

__all__ = ["canvas", "gradescope_grades", "moodle", "moodle_worksheet"]

_POINTS_ROW = "Points Possible"
# How a platform's own number for a person is told from a student number.
_PLATFORM_ID = re.compile(r"(Canvas|Participant) ([0-9]+)")


def gradescope_grades(book: Gradebook) -> str:
    """The columns of Gradescope's “Download grades” of one assignment.

    Lateness is what was charged, in whole days, as the rest isn't known here; a score that was
    cut for it stands in Total Score, the exercises' columns stay raw.
    """
    titles = [
        f"{i}: {title} ({points:.1f} pts)" for i, (_, title, points) in enumerate(book.exercises, 1)
    ]
    attempts = Counter(
        _who(person)
        for grade in book.grades
        for person in grade.people or (Person(grade.submission),)
    )
    rows: list[list[Cell]] = [
        [
            "Name", "SID", "Email", "Total Score", "Max Points", "Status", "Submission ID",
            "Submission Time", "Lateness (H:M:S)", "Submission Count", *titles,
        ]
    ]  # fmt: skip
    for row in student_rows(book):
        grade, person = row.grade, row.person
        when = grade.timestamp
        rows.append([
            person.name, person.sid, person.email, grade.score, book.max_score,
            "Ungraded" if grade.score is None else "Graded",
            grade.submission.removeprefix("submission_"),
            None if when is None else when.strftime("%Y-%m-%d %H:%M:%S %z"),
            _hours(grade), attempts[_who(person)], *exercise_scores(book, grade.result).values(),
        ])  # fmt: skip
    return delimited(rows)


def _who(person: Person) -> str:
    return person.sid or person.email or person.name


def _hours(grade: Grade) -> str:
    days = 0 if grade.lateness is None else grade.lateness.days
    return f"{timedelta(days=days) // timedelta(hours=1):02d}:00:00"


def canvas(book: Gradebook) -> str:
    """Canvas's gradebook import: identity, Section, one assignment, and its Points Possible.

    Students without a score have no row, as an empty cell would erase what is there.
    """
    rows: list[list[Cell]] = [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", book.title],
        [f"    {_POINTS_ROW}", None, None, None, None, book.max_score],
    ]
    for row in student_rows(book):
        person, score = row.person, row.grade.score
        if score is not None:
            own, sid = _split_id(person, "Canvas")
            rows.append([_canvas_name(person.name), own, sid, person.email, None, score])
    return delimited(rows)


def _canvas_name(name: str) -> str:
    # Canvas takes any row with these words in its first cell for the one that sets the points.
    return line(name).replace(_POINTS_ROW, "Points-Possible")


def _split_id(person: Person, platform: str) -> tuple[str | None, str | None]:
    """The platform's own number for the person, and their student number."""
    match = _PLATFORM_ID.fullmatch(person.sid or "")
    if match is None:
        return None, person.sid
    return (match[2] if match[1] == platform else None), None


def moodle(book: Gradebook) -> str:
    """Moodle's grade import: identity, one grade, and its feedback.

    Students without a score have no row, as an empty cell would erase what is there. Moodle gives
    a row whose student it isn't told to the student of the row before: so an unknown address is
    written as one that nobody has, and the import stops there instead.

    Raises InputError if nobody could be found by it.
    """
    rows: list[list[Cell]] = [
        ["Email address", "ID number", "Full name", f"{book.title} (Real)", "Feedback"]
    ]
    known = False
    for row in student_rows(book):
        person, grade = row.person, row.grade
        if grade.score is not None:
            unknown = f"unknown: {grade.submission}"
            _, sid = _split_id(person, "Participant")
            known = known or bool(person.email or sid)
            rows.append([
                person.email or unknown, sid or unknown, person.name, grade.score,
                _feedback(grade),
            ])  # fmt: skip
    if not known and len(rows) > 1:
        raise InputError(
            f"{book.assignment}: no e-mail address and no ID number is known, so Moodle's grade "
            "import can't find anybody; for a download from Moodle take --format moodle-worksheet"
        )
    return delimited(rows)


def moodle_worksheet(book: Gradebook) -> str:
    """Moodle's offline grading worksheet, for submissions that were downloaded from Moodle.

    Raises InputError if nobody has the Identifier (“Participant 123”) that its import goes by.
    """
    rows: list[list[Cell]] = [
        [
            "Identifier", "Full name", "Email address", "Grade", "Maximum Grade",
            "Last modified (grade)", "Feedback comments",
        ]
    ]  # fmt: skip
    people = student_rows(book)
    for row in people:
        person, grade = row.person, row.grade
        own, _ = _split_id(person, "Participant")
        if own is not None and grade.score is not None:
            rows.append([
                f"Participant {own}", person.name, person.email, grade.score, book.max_score,
                # Empty, “never”: so Moodle keeps a grade that was given since, unless it is told.
                None, _feedback(grade),
            ])  # fmt: skip
    if people and not any(_split_id(row.person, "Participant")[0] for row in people):
        raise InputError(
            f"{book.assignment}: nobody has Moodle's Identifier (“Participant 123”), which its "
            "worksheet goes by; take --format moodle, which goes by e-mail address or ID number"
        )
    return delimited(rows)


def _feedback(grade: Grade) -> str:
    """What a student may read: exercises whose checks are all visible, and the late rule."""
    result = grade.result
    if result is None:
        return ""
    parts = [line(message, 300) for message in result.messages]
    parts += [
        f"{exercise.title} {exercise.score:g}/{exercise.max_score:g}"
        for exercise in result.exercises
        if result.status is Status.GRADED
        and exercise.score is not None
        and not left_out(exercise)
        and all(check.visibility is Visibility.VISIBLE for check in exercise.checks)
    ]
    late = grade.lateness
    if late is not None and late.factor != 1:
        day = "day" if late.days == 1 else "days"
        parts.append(f"{late.days} {day} late: {late.factor:g} of the score counts")
    return "; ".join(parts)
