"""One submission as a source found it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from autograder.regrade.gradebook import Person
from autograder.submission import Submission

__all__ = ["Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """`submission` is None if it can't be read, and `error` says why.

    `name` is its own in the source, the same each time, and fit to be the name of a folder.
    `people` is empty where a platform lost them. `timestamp` (with a zone) is when it was handed
    in, by the platform's clock; `due` is that submission's own due date; `late` is a platform's
    bare statement that it was late, without a time; `previous` is the platform's old score.
    """

    name: str
    people: tuple[Person, ...]
    submission: Submission | None
    error: str | None = None
    timestamp: datetime | None = None
    due: datetime | None = None
    late: bool = False
    previous: float | None = None

    @property
    def student(self) -> str:
        """The people's names, joined; the submission's own name if there are none."""
        return ", ".join(person.name for person in self.people) or self.name
