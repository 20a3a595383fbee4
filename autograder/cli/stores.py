"""`runs`, `diff`, `export`, `report`: what a store of grades can tell."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autograder.cli.app import JsonOption, app
from autograder.cli.output import complain, print_json, print_rich, probe
from autograder.errors import InputError

if TYPE_CHECKING:
    from autograder.regrade.difference import Difference
    from autograder.regrade.store import Store

StoreArgument = Annotated[Path, typer.Argument(help="The store that `regrade` filled.")]
RunOption = Annotated[int | None, typer.Option(help="Which run; default: the last finished one.")]

PLATFORM = "platform"
CHANGED = 3
"""The exit code of `diff --fail-on`."""


class FailOn(StrEnum):
    """When `diff` ends with exit code 3."""

    NEVER = "never"
    DOWN = "down"
    CHANGE = "change"


@app.command()
def runs(store: StoreArgument, as_json: JsonOption = False) -> None:
    """List the runs of a store."""
    from autograder.regrade.listing import render_runs
    from autograder.regrade.store import Store

    with Store(store) as opened:
        found = opened.runs()
    if as_json:
        print_json(
            [
                {
                    "run": run.id,
                    "assignment": run.assignment,
                    "started": run.started.isoformat(),
                    "finished": None if run.finished is None else run.finished.isoformat(),
                    "source": run.source,
                    "versions": dict(run.fingerprint.versions),
                }
                for run in found
            ]
        )
    else:
        print_rich(render_runs(found))


@app.command()
def diff(
    store: StoreArgument,
    old: Annotated[
        str | None,
        typer.Argument(help="A run, or “platform”: the old scores that an export brought along."),
    ] = None,
    new: Annotated[str | None, typer.Argument(help="A run; default: the last two.")] = None,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 3 if a grade went down, or changed at all.")
    ] = FailOn.NEVER,
    as_json: JsonOption = False,
) -> None:
    """Say whose grade changed between two runs, and why."""
    from autograder.regrade.listing import render_difference
    from autograder.regrade.store import Store

    with Store(store) as opened:
        difference = _compared(opened, old, new)
    if as_json:
        print_json(difference.to_json())
    else:
        print_rich(render_difference(difference))
    changed = difference.changes if fail_on is FailOn.CHANGE else difference.down
    if fail_on is not FailOn.NEVER and changed:
        complain(f"autograder: {len(changed)} grades {_verb(fail_on)} (--fail-on {fail_on.value})")
        raise typer.Exit(CHANGED)


@app.command()
def export(
    store: StoreArgument,
    form: Annotated[str, typer.Option("--format", help="csv, canvas, moodle, …")] = "csv",
    out: Annotated[Path | None, typer.Option(help="Write here instead of to stdout.")] = None,
    run: RunOption = None,
) -> None:
    """Write a gradebook in another program's format."""
    from autograder.regrade.store import Store
    from autograder.reports import exports

    if out is not None:
        probe(out)
    with Store(store) as opened:
        text = exports.export(opened.gradebook(run), form, out)
    if text is not None:
        print(text, end="")


@app.command()
def report(
    store: StoreArgument,
    out: Annotated[Path, typer.Option(help="The page to write.")] = Path("out/report.html"),
    run: RunOption = None,
) -> None:
    """Write one HTML page about a run: scores, checks, misconceptions, every student."""
    from autograder.regrade.store import Store
    from autograder.reports.html import write_report

    probe(out)
    with Store(store) as opened:
        write_report(opened.gradebook(run), out)
    complain(f"the report is {out}")


def _compared(store: Store, old: str | None, new: str | None) -> Difference:
    """The difference that the arguments ask for. Raises InputError."""
    from autograder.regrade.difference import compare, compare_with_platform

    latest = store.run(None if new is None else _number(new))
    if old == PLATFORM:
        return compare_with_platform(store, latest)
    if old is not None:
        return compare(store, store.run(_number(old)), latest)
    earlier = [run for run in store.runs() if run.id < latest.id and run.finished is not None]
    if earlier:
        return compare(store, earlier[-1], latest)
    try:
        return compare_with_platform(store, latest)
    except InputError:
        raise InputError(
            f"{store.path}: there is only run {latest.id}, and its source brought no old scores; "
            "regrade again, then compare"
        ) from None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InputError(f"{text!r} is not a run: give its number (see `autograder runs`)")
    return int(text)


def _verb(fail_on: FailOn) -> str:
    return "went down" if fail_on is FailOn.DOWN else "changed"
