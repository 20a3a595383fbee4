"""What the HTML report says about each submission: rows of its table, and a page behind each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from autograder.config import Feedback, Visibility
from autograder.outcome import Outcome
from autograder.regrade.gradebook import Grade, Gradebook, Person
from autograder.reports.rows import exercise_scores, left_out, line, note, status
from autograder.reports.wording import explain, headline, plain
from autograder.result import CheckResult, ExerciseResult, Result, Status

__all__ = ["Cell", "Page", "Reason", "pages"]

_TEXT = 1200  # characters of one failure
_REASONS = 6  # different failures of one exercise
_TITLES = 3  # checks named for one failure
# Marks that names in right-to-left scripts may hold; a <bdi> around the name does their work.
_MARKS = re.compile("[\u061c\u200e\u200f]")


@dataclass(frozen=True, slots=True)
class Cell:
    """An exercise's score; `kind` is full, part, zero or none."""

    exercise: str
    title: str
    score: float | None
    points: float

    @property
    def kind(self) -> str:
        """How much of the points was earned, in a word."""
        if self.score is None:
            return "none"
        if self.score >= self.points - 1e-9:
            return "full"
        return "part" if self.score > 1e-9 else "zero"


@dataclass(frozen=True, slots=True)
class Reason:
    """A failure, and the checks that failed by it."""

    outcome: Outcome
    word: str
    text: str
    hint: str
    titles: tuple[str, ...]
    others: int
    hidden: bool
    lost: float


@dataclass(frozen=True, slots=True)
class Part:
    """What is said about one exercise that didn't earn everything."""

    cell: Cell
    reasons: tuple[Reason, ...]
    unsaid: int
    passed: int
    checks: int


@dataclass(frozen=True, slots=True)
class Page:
    """One submission that counts, in words. `anchor` is its place in the page."""

    anchor: str
    name: str
    people: tuple[Person, ...]
    grade: Grade
    status: str
    why: str
    cells: tuple[Cell, ...]
    parts: tuple[Part, ...]
    messages: tuple[str, ...]
    fault: str
    earlier: tuple[Grade, ...]
    tags: tuple[str, ...]
    search: str

    @property
    def raw(self) -> float | None:
        """The score before lateness."""
        return None if self.grade.result is None else self.grade.result.score


def pages(book: Gradebook) -> list[Page]:
    """A page for each grade that counts, in the book's order."""
    attempts: dict[frozenset[str], list[Grade]] = {}
    for grade in book.grades:
        if not grade.counts and grade.people:
            attempts.setdefault(_group(grade), []).append(grade)
    counting = [grade for grade in book.grades if grade.counts]
    return [
        _page(book, grade, f"s{i}", tuple(attempts.get(_group(grade), ())))
        for i, grade in enumerate(counting, 1)
    ]


def _group(grade: Grade) -> frozenset[str]:
    return frozenset(person.sid or person.email or person.name for person in grade.people)


def _page(book: Gradebook, grade: Grade, anchor: str, earlier: tuple[Grade, ...]) -> Page:
    people = tuple(_clean(person) for person in grade.people)
    cells = tuple(
        Cell(id_, title, score, points)
        for (id_, title, points), score in zip(
            book.exercises, exercise_scores(book, grade.result).values(), strict=True
        )
    )
    said = _why(grade)
    return Page(
        anchor=anchor,
        name=", ".join(person.name for person in people) or line(grade.submission, 200),
        people=people,
        grade=grade,
        status=status(grade),
        why=said,
        cells=cells,
        parts=tuple(_parts(cells, grade.result)),
        messages=tuple(plain(message, _TEXT) for message in _messages(grade)),
        fault=_fault(grade),
        earlier=earlier,
        tags=tuple(_tags(book, grade)),
        search=_search(grade, people, said),
    )


def _clean(person: Person) -> Person:
    return Person(
        line(_MARKS.sub("", person.name), 200) or "(no name)",
        None if person.sid is None else line(person.sid, 100),
        None if person.email is None else line(person.email, 200),
    )


def _why(grade: Grade) -> str:
    """What went wrong, in one line, beside a badge that says the status."""
    fault = _fault(grade)
    if fault:
        return line(fault.rpartition("\n")[2], 200)
    return note(grade).removeprefix("rejected: ")


def _fault(grade: Grade) -> str:
    """What went wrong on our side, whole; empty if nothing did."""
    result = grade.result
    if result is None or result.status is not Status.GRADER_ERROR:
        return ""
    return plain(result.fault or "the result doesn't say what went wrong", 8000).strip()


def _messages(grade: Grade) -> tuple[str, ...]:
    if grade.result is None:
        return (grade.error or "there is no result yet",)
    return grade.result.messages


def _tags(book: Gradebook, grade: Grade) -> Iterable[str]:
    score = grade.score
    if score is None:
        yield "unscored"
    elif score >= book.max_score - 1e-9:
        yield "full"
    elif score <= 1e-9:
        yield "zero"
    if status(grade) == Status.REJECTED:
        yield "rejected"
    if grade.lateness is not None and grade.lateness.days > 0:
        yield "late"
    if grade.previous is not None and score is not None and abs(grade.previous - score) > 0.005:
        yield "changed"


def _search(grade: Grade, people: Iterable[Person], said: str) -> str:
    words = [grade.submission, said]
    for person in people:
        words += [person.name, person.sid or "", person.email or ""]
    for exercise in grade.result.exercises if grade.result is not None else ():
        for check in exercise.checks:
            if check.failure is not None and check.failure.misconception is not None:
                words.append(check.failure.misconception.replace("_", " "))
    return line(" ".join(dict.fromkeys(word for word in words if word)))


def _parts(cells: Iterable[Cell], result: Result | None) -> Iterable[Part]:
    if result is None or result.status is Status.REJECTED:
        return
    by_id = {exercise.id: exercise for exercise in result.exercises}
    for cell in cells:
        exercise = by_id.get(cell.exercise)
        if exercise is not None and not left_out(exercise):
            reasons, unsaid = _reasons(exercise)
            if reasons:
                passed = sum(check.outcome is Outcome.PASSED for check in exercise.checks)
                yield Part(cell, reasons, unsaid, passed, len(exercise.checks))


def _reasons(exercise: ExerciseResult) -> tuple[tuple[Reason, ...], int]:
    """The different failures, those that weren't run last, and how many checks stay unsaid."""
    groups: dict[tuple[Outcome, str, str, bool], list[CheckResult]] = {}
    for check in exercise.checks:
        if check.outcome is not Outcome.PASSED:
            hidden = check.visibility is not Visibility.VISIBLE
            key = (check.outcome, *_told(check), hidden)
            groups.setdefault(key, []).append(check)
    ordered = sorted(groups.items(), key=lambda item: item[0][0] is Outcome.NOT_RUN)
    said, hints = [], set()
    for (outcome, text, hint, hidden), checks in ordered[:_REASONS]:
        said.append(
            Reason(
                outcome,
                headline(checks[0]).partition(" (")[0],
                text,
                "" if hint in hints else hint,
                tuple(line(check.title, 200) for check in checks[:_TITLES]),
                max(len(checks) - _TITLES, 0),
                hidden,
                sum(c.max_score - c.score for c in checks if c.score is not None),
            )
        )
        hints.add(hint)
    return tuple(said), sum(len(checks) for _, checks in ordered[_REASONS:])


def _told(check: CheckResult) -> tuple[str, str]:
    """What the student reads about the check, and the hint apart from it."""
    failure = check.failure
    if failure is None:
        return "", ""
    bare = replace(check, failure=replace(failure, help=None))
    return plain(explain(bare, Feedback.FULL), _TEXT), line(failure.help or "", _TEXT)
