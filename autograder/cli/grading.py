"""`grade`: one submission."""

from __future__ import annotations

import gc
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from autograder.cli.app import ISOLATION_HELP, AssignmentOption, IsolationChoice, app
from autograder.cli.output import (
    complain,
    plain_text,
    print_json,
    print_rich,
    probe,
    replace,
    to_text,
)
from autograder.errors import InputError
from autograder.timing import TAG


class Format(StrEnum):
    """How `grade` shows a result."""

    TEXT = "text"
    JSON = "json"
    GRADESCOPE = "gradescope"


@app.command()
def grade(
    path: Annotated[Path, typer.Argument(help="A folder, a .py file, a zip or a tar.")],
    assignment: AssignmentOption,
    form: Annotated[Format, typer.Option("--format", help="How to show the result.")] = Format.TEXT,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the report here (rewritten after every check) instead."),
    ] = None,
    isolation: Annotated[IsolationChoice, typer.Option(help=ISOLATION_HELP)] = IsolationChoice.AUTO,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help='Only this exercise, or "timing": what needs the clock (repeatable).'
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another set of generated cases.")] = 0,
) -> None:
    """Grade one submission with the hidden suite."""
    from autograder.assignment import load_assignment
    from autograder.course import find_course, suggestion
    from autograder.sandbox import Isolation
    from autograder.submission import read_submission

    chosen = load_assignment(find_course(), assignment)
    config = chosen.config
    ids = [exercise.id for exercise in config.exercises]
    for name in only or ():
        if name not in (*ids, TAG):
            raise InputError(
                f"no exercise {name!r} in {config.id}; {suggestion(name, [*ids, TAG])}"
            )
    if form is Format.TEXT and out is not None:
        form = Format.JSON if out.suffix == ".json" else form
    write = _writer(out)
    submission = read_submission(path, config.files, max_bytes=config.limits.submission_kib * 1024)
    from autograder.attempt import sandbox_for

    with sandbox_for(config, Isolation(isolation.value)) as sandbox:
        # The grader turns it on again, once there is garbage to be had.
        gc.disable()
        # Both processes import torch, at the same time.
        from autograder.grade import Grader

        with Grader(chosen, sandbox=sandbox) as grader:
            result = grader.grade(
                submission,
                seed=seed,
                only=only or None,
                progress=None if out is None else lambda partial: write(_render(partial, form)),
            )
    write(_render(result, form))
    if result.fault is not None:
        complain(f"grader error: {result.fault}")
        raise typer.Exit(2)


def _render(result: Any, form: Format) -> Any:
    from autograder.reports.gradescope import gradescope

    if form is Format.JSON:
        return result.to_json()
    if form is Format.GRADESCOPE:
        return gradescope(result)
    return result


def _writer(out: Path | None) -> Callable[[Any], None]:
    """Where reports go: stdout, or a file that is replaced atomically. Raises InputError."""
    if out is None:
        return _show
    if out.is_dir():
        raise InputError(f"{out}: is a folder; name a file, such as {out / 'results.json'}")
    probe(out)

    from autograder.result import Result

    def write(report: Any) -> None:
        text = plain_text(report) if isinstance(report, Result) else to_text(report)
        replace(out, text + "\n")

    return write


def _show(report: Any) -> None:
    from autograder.result import Result

    if isinstance(report, Result):
        from autograder.reports.terminal import render_result

        print_rich(render_result(report))
    else:
        print_json(report)
