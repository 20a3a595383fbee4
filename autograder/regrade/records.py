"""The rows of a store as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from autograder.config import Config, Late
from autograder.regrade.fingerprint import Fingerprint
from autograder.regrade.gradebook import Person

__all__ = ["CheckRow", "Known", "Options", "Plan", "Run", "Standing"]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run was asked for.

    `force`: grade also what is known. `only`: just these exercises; the others keep what an older
    result says. `failed`: just the submissions that have no grade yet.
    """

    force: bool = False
    only: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that is about to begin."""

    config: Config
    fingerprint: Fingerprint
    source: str
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Run:
    """A run in the store. `finished` is None while it is under way, or if it was interrupted."""

    id: int
    assignment: str
    title: str
    max_score: float
    exercises: tuple[tuple[str, str, float], ...]
    fingerprint: Fingerprint
    fingerprint_id: int
    source: str
    options: Options
    late: Late
    started: datetime
    finished: datetime | None
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A stored result, without its content. `only` is None if every exercise is of that grade."""

    result: int
    fingerprint_id: int
    status: str
    only: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Standing:
    """One submission of a run, with the raw score of its result.

    `result`, `status`, `raw` and `fingerprint_id` are None where nothing was graded; `digest` is
    None where nothing could be read; `partial` says that only some exercises are of that grade.
    """

    name: str
    people: tuple[Person, ...]
    digest: str | None
    timestamp: datetime | None
    due: datetime | None
    late: bool
    previous: float | None
    error: str | None
    result: int | None
    status: str | None
    raw: float | None
    fingerprint_id: int | None
    partial: bool = False

    @property
    def student(self) -> str:
        """The people's names, joined; the submission's own name if there are none."""
        return ", ".join(person.name for person in self.people) or self.name


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check of one result."""

    exercise: str
    outcome: str
    score: float | None
    max_score: float
    misconception: str | None
