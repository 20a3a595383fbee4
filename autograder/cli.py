"""The command line: one verb per command. Only this module prints and sets exit codes.

Exit codes: 0 done (whatever the score), 1 the caller's input is at fault (one line, no
traceback), 2 the grader is at fault. Results go to stdout, everything else to stderr. Imports
that need torch happen inside the commands, so that `--help` is instant.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from autograder import __version__
from autograder.errors import GraderError, InputError

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


class Format(StrEnum):
    """How `grade` shows a result."""

    TEXT = "text"
    JSON = "json"
    GRADESCOPE = "gradescope"


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


@app.command("list")
def list_command(as_json: JsonOption = False) -> None:
    """List the assignments, their exercises and points."""
    from autograder.config import load_config
    from autograder.course import find_course

    course = find_course()
    configs = [load_config(course.config(name)) for name in course.assignment_ids]
    if as_json:
        entries = [
            {
                "id": config.id,
                "title": config.title,
                "files": list(config.files),
                "points": config.max_score,
                "exercises": [
                    {"id": e.id, "title": e.title, "points": e.points} for e in config.exercises
                ],
            }
            for config in configs
        ]
        _print_json(entries)
        return
    for config in configs:
        print(f"{config.id}  {config.title} ({config.max_score:g} points, {config.files[0]})")
        for exercise in config.exercises:
            print(f"    {exercise.id:24} {exercise.points:5g}  {exercise.title}")


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
        list[str] | None, typer.Option("--only", help="Only this exercise (repeatable).")
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
        if name not in ids:
            raise InputError(f"no exercise {name!r} in {config.id}; {suggestion(name, ids)}")
    if form is Format.TEXT and out is not None:
        form = Format.JSON if out.suffix == ".json" else form
    write = _writer(out)
    submission = read_submission(path, config.files, max_bytes=config.limits.submission_kib * 1024)
    from autograder.grade import Grader

    with Grader(chosen, Isolation(isolation.value)) as grader:
        result = grader.grade(
            submission,
            seed=seed,
            only=only or None,
            progress=None if out is None else lambda partial: write(_render(partial, form)),
        )
    write(_render(result, form))
    if result.fault is not None:
        _complain(f"grader error: {result.fault}")
        raise typer.Exit(2)


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
    for name in _chosen(ids, everything):
        report = validate_assignment(course, name, seeds=seeds, jobs=jobs, say=_complain)
        reports.append(report)
        if not as_json:
            _print_rich(report.render(), columns=180)
    if as_json:
        _print_json([report.to_json() for report in reports])
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
    for name in _chosen(ids, everything):
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
        _probe(results / "results.json", "--results")
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
        _print_json({entry.id: result.to_json() for entry, result in rows})
    else:
        _print_rich(render_cohort([(entry.student, result) for entry, result in rows]))
        if results is not None:
            _complain(f"each one's results.json is in {results}/<submission>/")
    faults = [entry.student for entry, result in rows if result.fault is not None]
    for entry in unread:
        _complain(f"not graded: {entry.student}: {entry.error}")
    if faults:
        raise GraderError(f"no score for {', '.join(faults)}; see result.json, field “fault”")
    if unread:
        raise InputError(f"{len(unread)} of {len(entries)} submissions could not be read (above)")


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine offers: Python, torch, isolation layers, GPU, and what to do."""
    from autograder.doctor import examine

    findings = examine()
    if as_json:
        _print_json([finding.to_json() for finding in findings])
        return
    for finding in findings:
        print(finding.line())


def _chosen(ids: list[str] | None, everything: bool) -> list[str]:
    from autograder.course import find_course

    course = find_course()
    if everything:
        return list(course.assignment_ids)
    if not ids:
        raise InputError(f"name an assignment ({', '.join(course.assignment_ids)}), or give --all")
    return [course.require(name) for name in ids]


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
    _probe(out)

    from autograder.result import Result

    def write(report: Any) -> None:
        text = _plain_text(report) if isinstance(report, Result) else _json(report)
        _replace(out, text + "\n")

    return write


def _probe(out: Path, option: str = "--out") -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=out.parent, prefix=".autograder-")
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise InputError(
            f"{out}: can't write there ({error.strerror}); choose another {option}"
        ) from None


def _replace(out: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=".autograder-")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.chmod(0o644)
        temporary.replace(out)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise GraderError(f"{out}: can't write the result: {error.strerror}") from None


def _show(report: Any) -> None:
    from autograder.result import Result

    if isinstance(report, Result):
        from autograder.reports.terminal import render_result

        _print_rich(render_result(report))
    else:
        _print_json(report)


def _json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)


def _print_json(data: Any) -> None:
    print(_json(data))


def _plain_text(result: Any) -> str:
    from rich.console import Console

    from autograder.reports.terminal import render_result

    console = Console(file=io.StringIO(), width=120, highlight=False)
    with console.capture() as captured:
        console.print(render_result(result))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _print_rich(renderable: Any, columns: int = 120) -> None:
    from rich.console import Console

    from autograder.reports.terminal import width

    width(Console(highlight=False), columns).print(renderable)


def _complain(line: str) -> None:
    print(line, file=sys.stderr)


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
        _complain(f"autograder: {error}")
        code = 1
    except GraderError as error:
        _complain(f"autograder: fault of the grader: {error}")
        code = 2
    except typer.Abort:
        _complain("autograder: interrupted")
        code = 130
    except typer.TyperException as error:
        _complain(f"autograder: {error.format_message()} (see autograder --help)")
        code = 1
    except BrokenPipeError:
        # The reader of our output went away (`| head`): not worth a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)
