"""`regrade`: whole cohorts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.cli.app import ISOLATION_HELP, AssignmentOption, IsolationChoice, JsonOption, app
from autograder.cli.output import complain, print_json, print_rich, probe
from autograder.errors import GraderError, InputError


@app.command()
def regrade(
    source: Annotated[
        Path, typer.Argument(help="A folder of submissions, or a Gradescope export.")
    ],
    assignment: AssignmentOption,
    results: Annotated[
        Path | None, typer.Option(help="Write each one's results.json into this folder.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", help="Processes; default: one per core.")
    ] = None,
    isolation: Annotated[IsolationChoice, typer.Option(help=ISOLATION_HELP)] = IsolationChoice.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Grade a whole cohort and show one table."""
    from autograder.assignment import load_assignment
    from autograder.course import find_course
    from autograder.regrade.batch import grade_cohort, write_results
    from autograder.regrade.sources import read_cohort
    from autograder.reports.terminal import progress_bar, render_cohort
    from autograder.sandbox import Isolation

    course = find_course()
    config = load_assignment(course, assignment).config
    entries = read_cohort(source, config.files, max_bytes=config.limits.submission_kib * 1024)
    if results is not None:
        probe(results / "results.json", "--results")
    with progress_bar(len(entries)) as advance:
        graded = grade_cohort(
            course, assignment, entries, processes=jobs, isolation=Isolation(isolation.value),
            done=lambda entry, result: advance(entry.student),
        )  # fmt: skip
    rows = [(entry, graded[entry.id]) for entry in entries if entry.id in graded]
    unread = [entry for entry in entries if entry.error is not None]
    for entry, result in rows:
        if results is not None:
            write_results(results, entry, result)
    if as_json:
        print_json({entry.id: result.to_json() for entry, result in rows})
    else:
        print_rich(render_cohort([(entry.student, result) for entry, result in rows]))
        if results is not None:
            complain(f"each one's results.json is in {results}/<submission>/")
    faults = [entry.student for entry, result in rows if result.fault is not None]
    for entry in unread:
        complain(f"not graded: {entry.student}: {entry.error}")
    if faults:
        raise GraderError(f"no score for {', '.join(faults)}; see result.json, field “fault”")
    if unread:
        raise InputError(f"{len(unread)} of {len(entries)} submissions could not be read (above)")
