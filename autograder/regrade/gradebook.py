"""What a regrade knows about a cohort, as data: every export and report is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from autograder.result import Result

__all__ = ["Grade", "Gradebook", "Lateness", "Person"]


@dataclass(frozen=True, slots=True)
class Person:
    """One submitter. A name may be all that is known."""

    name: str
    sid: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Lateness:
    """What the late policy makes of a raw score: `days` late after grace, `factor` of the score."""

    days: int
    factor: float


@dataclass(frozen=True, slots=True)
class Grade:
    """One submission of one or several people, and what became of it.

    `result` is None where there is none: `error` then says why (unreadable, or not graded yet).
    `score` is what counts: the raw score of `result`, times `lateness.factor`, rounded once; None
    where the grader was at fault or there is no result. `counts` is False for an attempt that
    another one of the same people supersedes. `timestamp` is when it was handed in, with a zone.
    `previous` is the platform's own old score, if its export has one.
    """

    submission: str
    people: tuple[Person, ...]
    result: Result | None
    error: str | None = None
    score: float | None = None
    lateness: Lateness | None = None
    counts: bool = True
    timestamp: datetime | None = None
    previous: float | None = None
    digest: str | None = None

    @property
    def name(self) -> str:
        """The people's names, joined; the submission's own name if there are none."""
        return ", ".join(person.name for person in self.people) or self.submission


@dataclass(frozen=True, slots=True)
class Gradebook:
    """One run over one assignment: all grades, sorted by name."""

    assignment: str
    title: str
    max_score: float
    exercises: tuple[tuple[str, str, float], ...]  # id, title, points: the config's, in its order
    grades: tuple[Grade, ...]
    run: int
    started: datetime
    finished: datetime | None
    versions: dict[str, str]
