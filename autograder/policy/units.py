"""Where code belongs: files, units of code that run together, and sites of forbidden things."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autograder.policy.scopes import Scope
    from autograder.policy.values import Class

__all__ = ["File", "Run", "Site", "Unit"]


@dataclass(eq=False, slots=True)
class Run:
    """The event that a file is imported (or, for dead code, that it isn't)."""

    filename: str


@dataclass(eq=False)
class File:
    """One file of the submission."""

    filename: str
    tree: ast.Module
    run: Run
    scope: Scope = field(init=False)

    @property
    def module(self) -> str:
        """The name by which other files import it."""
        return self.filename.removesuffix(".py").rpartition("/")[2]


@dataclass(frozen=True, eq=False)
class Unit:
    """Code that runs together.

    `owner` is what must be reached for it to run. `importing` says that it runs while the file is
    imported, `dead` that it never runs in a grader (`if __name__ == "__main__":`). `within` is the
    enclosing class, `scope_name` the enclosing top-level function or class.
    """

    file: File
    owner: object
    importing: bool = False
    dead: bool = False
    scope_name: str | None = None
    within: Class | None = None

    def inside(self, **changes: object) -> Unit:
        """The same unit with some facts changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(eq=False, slots=True)
class Site:
    """One place where the code gets hold of something forbidden."""

    rule: str
    why: str
    name: str
    written: str
    unit: Unit
    line: int
    column: int
    at: ast.AST
    # A longer name was found at the same place: torch.autograd within torch.autograd.grad.
    superseded: bool = False
