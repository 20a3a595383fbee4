"""How a check ended, and what is said when it didn't pass."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Failure", "Outcome"]


class Outcome(StrEnum):
    """How a check ended. Only `GRADER_ERROR` carries no score."""

    PASSED = "passed"
    FAILED = "failed"
    RAISED = "raised"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    FORBIDDEN = "forbidden"
    NOT_RUN = "not_run"
    GRADER_ERROR = "grader_error"


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure as data; reports word it.

    `rationale` is one sentence a student can act on. `expected` and `actual` are short
    texts (a value, a shape, a type). `help` is a hint. `misconception` is the id of the
    known wrong idea that reproduces the answer, if one does. `example` describes the
    smallest failing input (name, shape, dtype, values if few). `where` is a place in the
    *student's* file (`operators.py:12`), never in ours.
    """

    rationale: str
    expected: str | None = None
    actual: str | None = None
    help: str | None = None
    misconception: str | None = None
    example: str | None = None
    where: str | None = None
