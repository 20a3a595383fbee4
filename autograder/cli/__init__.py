"""The command line: one verb per command. Only this package prints and sets exit codes.

Exit codes: 0 done (whatever the score), 1 the caller's input is at fault (one line, no
traceback), 2 the grader is at fault. Results go to stdout, everything else to stderr. Imports
that need torch happen inside the commands, so that `--help` is instant.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from autograder import __version__

# Importing a module of commands registers them; `--help` lists them in this order.
from autograder.cli import (  # noqa: F401
    authoring,
    catalogue,
    grading,
    merging,
    packaging,
    regrading,
    students,
)
from autograder.cli.app import app
from autograder.cli.output import complain
from autograder.errors import GraderError, InputError

__all__ = ["app", "main"]


def _version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line and turn exceptions into one line and an exit code."""
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        complain(f"autograder: {error}")
        code = 1
    except GraderError as error:
        complain(f"autograder: fault of the grader: {error}")
        code = 2
    except typer.Abort:
        complain("autograder: interrupted")
        code = 130
    except typer.TyperException as error:
        complain(f"autograder: {error.format_message()} (see autograder --help)")
        code = 1
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not worth a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
