"""What a policy is, and what a check of it says."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autograder.errors import ConfigError

__all__ = ["GROUPS", "Policy", "PolicyReport", "SourceError", "Violation"]

GROUPS = ("no-autodiff", "no-evasion")


class SourceError(Exception):
    """The source isn't Python, or not readable as text; the text is a line for the student."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of an assignment.

    `rules` names groups of rules; `packages` may be imported beside the standard library;
    `forbid` and `allow` are dotted names with globs (`torch.conv*`), `methods` are names of Tensor
    methods, `operators` ATen operators (globs) that the worker watches for.
    """

    rules: tuple[str, ...] = GROUPS
    packages: tuple[str, ...] = ("torch", "numpy", "jaxtyping", "typing_extensions")
    forbid: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()

    @staticmethod
    def from_mapping(table: Mapping[str, Any], where: str) -> Policy:
        """The policy that a config's [policy] table describes. Raises ConfigError."""
        known = ("rules", "packages", "forbid", "methods", "operators", "allow")
        for key, value in table.items():
            if key not in known:
                raise ConfigError(f"{where}: unknown key {key!r}; {_suggest(key, known)}")
            if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
                raise ConfigError(f"{where}: {key} must be a list of names")
        policy = Policy(**{key: tuple(value) for key, value in table.items()})
        for rule in policy.rules:
            if rule not in GROUPS:
                raise ConfigError(f"{where}: unknown rule {rule!r}; {_suggest(rule, GROUPS)}")
        return policy


@dataclass(frozen=True, slots=True)
class Violation:
    """One forbidden thing: what (as torch names it), where, and a sentence for the student.

    `scope` is the top-level function or class that contains it, None for module level.
    """

    rule: str
    name: str
    line: int
    column: int
    message: str
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """All violations, by what they cost.

    `module_level` happens at import (the submission is rejected); `by_function` is reachable from
    a graded function (its exercise is lost); `elsewhere` is reached by neither (a note).
    """

    module_level: tuple[Violation, ...] = ()
    by_function: Mapping[str, tuple[Violation, ...]] = field(default_factory=dict)
    elsewhere: tuple[Violation, ...] = ()


def _suggest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"did you mean {close[0]!r}?" if close else f"there is {', '.join(known)}"
