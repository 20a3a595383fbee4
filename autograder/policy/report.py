"""What the rules found in a submission, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PolicyReport", "Violation"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One forbidden thing in one place.

    `name` is the resolved dotted name (`torch.autograd.grad`), whatever the student calls it;
    `line` counts from 1, `column` from 0, as Python does; `scope` is the enclosing top-level
    function or class, None for code outside of both. `message` is the whole sentence.
    """

    rule: str
    name: str
    file: str
    line: int
    column: int
    message: str
    scope: str | None


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """Where a submission breaks the rules, sorted by what that costs.

    `module_level` runs when the submission is imported, so it concerns all exercises.
    `by_function` has every requested function, with what running it can reach. `elsewhere` is in
    code that neither of them reaches.
    """

    module_level: tuple[Violation, ...] = ()
    by_function: Mapping[str, tuple[Violation, ...]] = field(default_factory=dict)
    elsewhere: tuple[Violation, ...] = ()
