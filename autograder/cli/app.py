"""What all commands share: the application and the options that mean the same everywhere."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from autograder.errors import InputError

__all__ = [
    "ISOLATION_HELP",
    "AllOption",
    "AssignmentOption",
    "IdsArgument",
    "IsolationChoice",
    "JsonOption",
    "app",
    "chosen_ids",
]

app = typer.Typer(
    name="autograder",
    help="Grade hand-written gradients: a judge that student code can't touch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


ISOLATION_HELP = (
    "auto uses every layer that this machine has, strict refuses to grade if one is missing, "
    "none confines nothing."
)


class IsolationChoice(StrEnum):
    """How much of the sandbox is demanded."""

    STRICT = "strict"
    AUTO = "auto"
    NONE = "none"


AssignmentOption = Annotated[
    str, typer.Option("--assignment", "-a", help="The assignment's id, e.g. a1_operators.")
]
IdsArgument = Annotated[list[str] | None, typer.Argument(help="Assignment ids.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every assignment of the course.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def chosen_ids(ids: list[str] | None, everything: bool) -> list[str]:
    """The assignments that were asked for. Raises InputError for an unknown or missing name."""
    from autograder.course import find_course

    course = find_course()
    if everything:
        return list(course.assignment_ids)
    if not ids:
        raise InputError(f"name an assignment ({', '.join(course.assignment_ids)}), or give --all")
    return [course.require(name) for name in ids]
