"""`regrade`: whole cohorts, into a store."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autograder.cli import stores  # noqa: F401 (registers what reads the stores that we write)
from autograder.cli.app import ISOLATION_HELP, AssignmentOption, IsolationChoice, JsonOption, app
from autograder.cli.output import complain, print_json, print_rich, probe
from autograder.errors import GraderError, InputError
from autograder.regrade.sources.layout import Layout

if TYPE_CHECKING:
    from autograder.regrade.batch import Tally
    from autograder.regrade.records import Run
    from autograder.regrade.store import Store

_ROWS_SHOWN = 60
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


class Executor(StrEnum):
    """Where submissions are graded."""

    LOCAL = "local"
    DASK = "dask"


@app.command()
def regrade(
    source: Annotated[
        Path,
        typer.Argument(help="A folder or zip: one entry per submission, or a platform's export."),
    ],
    assignment: AssignmentOption,
    store: Annotated[
        Path | None, typer.Option(help="The file with all grades; default: out/<assignment>.db.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Write each one's results.json into this folder.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", min=1, help="Processes; default: one per core.")
    ] = None,
    executor: Annotated[Executor, typer.Option(help="Where to grade.")] = Executor.LOCAL,
    scheduler: Annotated[
        str | None, typer.Option(help="Dask's scheduler, tcp://host:8786; default: a local one.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Grade also what is known.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only this exercise (repeatable); the others stay."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Only what has no grade: our faults, unreadable.")
    ] = False,
    source_format: Annotated[
        Layout | None, typer.Option(help="The source's layout; default: recognised.")
    ] = None,
    isolation: Annotated[IsolationChoice, typer.Option(help=ISOLATION_HELP)] = IsolationChoice.AUTO,
    summary: Annotated[
        Path | None, typer.Option(help="Append a Markdown summary; default: GitHub's, in a step.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Grade a whole cohort: what is known already is not graded again."""
    from autograder.assignment import load_assignment
    from autograder.course import find_course, suggestion
    from autograder.regrade.batch import Tally, write_results
    from autograder.regrade.batch import regrade as run_regrade
    from autograder.regrade.fingerprint import take_fingerprint
    from autograder.regrade.lock import StoreLock
    from autograder.regrade.progress import show_progress
    from autograder.regrade.records import Options, Plan
    from autograder.regrade.sources import open_source
    from autograder.regrade.store import Store

    course = find_course()
    chosen = load_assignment(course, assignment)
    config = chosen.config
    ids = [exercise.id for exercise in config.exercises]
    for name in only or ():
        if name not in ids:
            raise InputError(f"no exercise {name!r} in {config.id}; {suggestion(name, ids)}")
    if force and failed:
        raise InputError("--force grades everything, --failed nearly nothing: give one of them")
    if scheduler is not None and executor is not Executor.DASK:
        raise InputError("--scheduler is Dask's: give --executor dask with it")
    cohort = open_source(
        source, config.files, max_bytes=config.limits.submission_kib * 1024, layout=source_format
    )
    path = store or Path("out") / f"{config.id}.db"
    probe(path, "--store")
    if results is not None:
        probe(results / "results.json", "--results")
    plan = Plan(
        config=config,
        fingerprint=take_fingerprint(chosen, isolation.value),
        source=str(source.resolve()),
        options=Options(force=force, only=tuple(sorted(set(only or ()))), failed=failed),
    )

    def engine() -> Any:
        from autograder.sandbox import Isolation

        demanded = Isolation(isolation.value)
        if executor is Executor.DASK:
            from autograder.regrade.cluster import DaskEngine

            return DaskEngine(
                chosen, plan.fingerprint, scheduler, jobs, isolation=demanded, say=complain
            )
        from autograder.pool import LocalEngine

        return LocalEngine(course, config.id, processes=jobs, isolation=demanded)

    tally = Tally()
    with StoreLock(path), Store(path, write=True) as opened:
        try:
            with _terminable(), show_progress(len(cohort)) as watch:
                run, _ = run_regrade(opened, plan, cohort, engine, tally=tally, watch=watch)
        except KeyboardInterrupt:
            complain(
                f"autograder: interrupted; {tally.stored} of {len(cohort)} submissions are stored "
                f"in {path}; to resume: {shlex.join(['autograder', *sys.argv[1:]])}"
            )
            raise typer.Exit(130) from None
        if results is not None:
            write_results(opened, run, results)
        _report(opened, run, tally, len(cohort), as_json=as_json)
        if results is not None and not as_json:
            complain(f"each one's results.json is in {results}/<submission>/")
        _summarise(opened, run, summary)
    _conclude(tally, len(cohort), path)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM, by which CI ends a job, is like Ctrl-C: what is stored is stored."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(store: Store, run: Run, tally: Tally, total: int, *, as_json: bool) -> None:
    from autograder.regrade.standings import place

    placed = place(run, store.standings(run.id))
    if as_json:
        print_json(
            {
                "assignment": run.assignment,
                "run": run.id,
                "graded": tally.graded,
                "known": tally.known,
                "unreadable": tally.unreadable,
                "faults": tally.faults,
                "submissions": [entry.to_json() for entry in placed],
            }
        )
    elif total <= _ROWS_SHOWN:
        from autograder.reports.terminal import render_cohort

        print_rich(
            render_cohort(
                [
                    (entry.standing.student, store.result(entry.standing.result))
                    for entry in placed
                    if entry.standing.result is not None
                ]
            )
        )
    for entry in placed:
        if entry.standing.error is not None:
            complain(f"not graded: {entry.standing.student}: {entry.standing.error}")
    complain(
        f"run {run.id}: {tally.graded} graded, {tally.known} known already, "
        f"{tally.unreadable} unreadable, {tally.faults} faults of the grader; "
        f"stored in {store.path}"
    )


def _summarise(store: Store, run: Run, summary: Path | None) -> None:
    target = summary or (Path(os.environ[STEP_SUMMARY]) if os.environ.get(STEP_SUMMARY) else None)
    if target is None:
        return
    from autograder.reports.summary import step_summary

    text = step_summary(store.gradebook(run.id))
    try:
        with target.open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        complain(f"autograder: no summary: {target}: {error.strerror}")


def _conclude(tally: Tally, total: int, path: Path) -> None:
    if tally.faults:
        names = ", ".join(tally.faulty)
        more = f" and {tally.faults - len(tally.faulty)} more" * (tally.faults > len(tally.faulty))
        raise GraderError(
            f"no score for {names}{more}; field “fault” of the result says why; "
            "to try those again: --failed"
        )
    if tally.unreadable:
        raise InputError(f"{tally.unreadable} of {total} submissions could not be read (above)")
