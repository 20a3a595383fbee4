"""The form of a rule: what may not be used, and the sentence that says why.

The data are in `torch_bans`, `python_bans` and `kernel_bans`.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Ban", "Keyword", "RuleGroup"]


@dataclass(frozen=True, slots=True)
class Keyword:
    """A keyword argument that calls of `callee` (a glob) may not have, unless it is `harmless`."""

    name: str
    callee: str
    harmless: bool | None


@dataclass(frozen=True, slots=True)
class Ban:
    """Things that are forbidden for one reason.

    `why` completes a sentence that begins with the name of the thing. `modules` are forbidden with
    all they contain, and importing one is refused by itself. `names` are globs over dotted names.
    `methods` are forbidden on tensors and on anything that isn't known to be the student's own;
    `attributes` on every object. `only` are globs: every other name of `only_in` is forbidden.
    `tripwires` and `operators` are what a worker watches while the code runs.
    """

    why: str
    modules: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    stores: tuple[str, ...] = ()
    keywords: tuple[Keyword, ...] = ()
    only_in: str = ""
    only: tuple[str, ...] = ()
    tripwires: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """What a config asks for with one word in `rules`.

    `allowed` are dotted names (globs) that the group's own bans would cover but that are fine.
    """

    name: str
    bans: tuple[Ban, ...]
    allowed: tuple[str, ...] = ()
