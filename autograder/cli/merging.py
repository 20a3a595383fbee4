"""`merge`: the results of two stages into one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli.app import app
from autograder.cli.output import complain, print_json, probe, replace, to_text
from autograder.errors import InputError

if TYPE_CHECKING:
    from autograder.result import Result


@app.command()
def merge(
    cpu: Annotated[Path, typer.Argument(help="The result of the first stage (JSON).")],
    gpu: Annotated[Path, typer.Argument(help="The result of grade --only timing (JSON).")],
    out: Annotated[
        Path | None, typer.Option(help="Write the merged result here instead of to stdout.")
    ] = None,
) -> None:
    """Put the timing checks of one result into another of the same submission."""
    from autograder import merging

    if out is not None:
        probe(out)
    result = merging.merge(_read(cpu), _read(gpu))
    data = result.to_json()
    if out is None:
        print_json(data)
    else:
        replace(out, to_text(data))
    for check in merging.pending(result):
        complain(f"still to be timed: {check.id}")
    if result.fault is not None:
        complain(f"grader error: {result.fault}")
        raise typer.Exit(2)


def _read(path: Path) -> Result:
    """A canonical result. Raises InputError."""
    from autograder.result import Result

    try:
        return Result.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path}: not a result of this autograder; write one with "
            "`autograder grade … --format json --out FILE`"
        ) from None
