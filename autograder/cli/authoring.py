"""The author's commands: suites audit themselves, handouts are generated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autograder.cli.app import AllOption, IdsArgument, JsonOption, app, chosen_ids
from autograder.cli.output import complain, print_json, print_rich
from autograder.errors import InputError


@app.command()
def validate(
    ids: IdsArgument = None,
    everything: AllOption = False,
    seeds: Annotated[int, typer.Option(help="Grade the solution with this many seeds.")] = 3,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", help="Processes; default: one per core.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let each suite audit itself: solution, stub, trivial answers, every misconception."""
    from autograder.course import find_course
    from autograder.selfcheck import validate_assignment

    course = find_course()
    reports = []
    for name in chosen_ids(ids, everything):
        report = validate_assignment(course, name, seeds=seeds, jobs=jobs, say=complain)
        reports.append(report)
        if not as_json:
            print_rich(report.render(), columns=180)
    if as_json:
        print_json([report.to_json() for report in reports])
    if not all(report.clean for report in reports):
        raise typer.Exit(1)


@app.command()
def handout(
    ids: IdsArgument = None,
    everything: AllOption = False,
    only_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit 1 if a handout is out of date.")
    ] = False,
    archive: Annotated[
        Path | None, typer.Option("--zip", help="Also write <id>.zip into this folder.")
    ] = None,
) -> None:
    """Generate what students get from solutions/ (or check that it is up to date)."""
    from autograder.course import find_course
    from autograder.handouts import check_handout, make_handout

    course = find_course()
    drifted = []
    for name in chosen_ids(ids, everything):
        if only_check:
            drifted += check_handout(course, name)
        else:
            for line in make_handout(course, name, archive):
                print(line)
    for line in drifted:
        print(line)
    if drifted:
        raise InputError(
            f"{len(drifted)} generated files are out of date; run `autograder handout --all` "
            "and commit the result"
        )
