"""What the policy's tests share: the snippets, the course's policies, and short questions.

This is the only place that says which implementation is tested.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from autograder.policy import (
    Policy,
    PolicyReport,
    SourceError,
    Violation,
    check_source,
    tripwires,
)

__all__ = [
    "BY_HAND",
    "COURSE",
    "Policy",
    "PolicyReport",
    "Snippet",
    "SourceError",
    "Violation",
    "all_of",
    "check",
    "check_source",
    "course_policy",
    "reached",
    "snippets",
    "tripwires",
]

COURSE = Path(__file__).parents[2]
BY_HAND = Policy(rules=("no-autodiff", "no-evasion"))


@dataclass(frozen=True, slots=True)
class Snippet:
    """A small submission whose graded function is f(x)."""

    title: str
    source: str


def snippets(name: str) -> list[Snippet]:
    """The snippets of a text file: each begins with a line `### title`."""
    text = (Path(__file__).parent / "snippets" / f"{name}.txt").read_text("utf-8")
    _, *parts = re.split(r"^### (.+)\n", text, flags=re.MULTILINE)
    return [Snippet(t, s) for t, s in zip(parts[::2], parts[1::2], strict=True)]


def course_policy(assignment: str) -> Policy:
    """The policy of an assignment of the course, as its config states it."""
    path = COURSE / "grading_configs" / f"{assignment}.toml"
    return Policy.from_mapping(tomllib.loads(path.read_text("utf-8"))["policy"], "[policy]")


def check(
    source: str | bytes, functions: Collection[str] = ("f",), policy: Policy = BY_HAND
) -> PolicyReport:
    """The report on a submission of one file, `student.py`."""
    return check_source(source, "student.py", functions, policy)


def reached(report: PolicyReport, function: str = "f") -> tuple[Violation, ...]:
    """What costs `function` its points: at import, or from the function."""
    return (*report.module_level, *report.by_function.get(function, ()))


def all_of(report: PolicyReport) -> list[Violation]:
    """Every violation of a report, whatever it costs."""
    found = [*report.module_level, *report.elsewhere]
    for violations in report.by_function.values():
        found += violations
    return found
