"""A submission that was found in a source and not read yet."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from autograder.archive import shown
from autograder.errors import SubmissionError
from autograder.regrade.entry import Entry
from autograder.regrade.gradebook import Person
from autograder.submission import Submission

__all__ = ["Item", "safe_name"]

Reader = Callable[[Sequence[str], int], Submission]


@dataclass(frozen=True, slots=True)
class Item:
    """What the source itself says about a submission, and how to read it; see Entry."""

    name: str
    people: tuple[Person, ...]
    reader: Reader
    timestamp: datetime | None = None
    due: datetime | None = None
    late: bool = False
    previous: float | None = None
    clock: Callable[[], datetime | None] | None = None

    def renamed(self, name: str) -> Item:
        return self if name == self.name else replace(self, name=name)

    def read(self, wanted: Sequence[str], max_bytes: int) -> Entry:
        """The entry, with the submission or with the reason why it can't be read."""
        submission, error = None, None
        try:
            submission = self.reader(wanted, max_bytes)
        except SubmissionError as problem:
            error = str(problem)
        except OSError as problem:
            error = f"{self.name}: can't be read: {problem.strerror}"
        timestamp = self.timestamp
        if timestamp is None and self.clock is not None:
            timestamp = self.clock()
        return Entry(
            name=self.name,
            people=self.people,
            submission=submission,
            error=error,
            timestamp=timestamp,
            due=self.due,
            late=self.late,
            previous=self.previous,
        )


def safe_name(name: str) -> str:
    """A name from outside, fit to be printed and to be the name of a file."""
    text = re.sub(r"[/\\:\0]", "_", shown(name, 120)).strip().lstrip(".")
    return text or "unnamed"
