"""The student's own commands: public checks, in this process."""

from __future__ import annotations

from typing import Annotated

import typer

from autograder.cli.app import app


@app.command()
def check(
    assignment_id: Annotated[
        str | None, typer.Argument(help="The assignment; by default the one you are in.")
    ] = None,
    only: Annotated[str | None, typer.Option("--only", "-k", help="Only this exercise.")] = None,
) -> None:
    """Run an assignment's public checks on your own code, in this process (no sandbox)."""
    from autograder.public_checks import run_public_checks

    raise typer.Exit(run_public_checks(assignment_id, only))


@app.command()
def watch(
    assignment_id: Annotated[
        str | None, typer.Argument(help="The assignment; by default the one you are in.")
    ] = None,
    only: Annotated[str | None, typer.Option("--only", "-k", help="Only this exercise.")] = None,
) -> None:
    """Run the public checks again whenever your file changes."""
    from autograder.public_checks import watch_public_checks

    watch_public_checks(assignment_id, only)
