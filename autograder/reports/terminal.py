"""A result, and a table of results, on a terminal (through rich)."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autograder.config import Feedback
from autograder.outcome import Outcome
from autograder.reports.wording import explain, plain, summary
from autograder.result import LEFT_OUT, CheckResult, ExerciseResult, Result, Status

__all__ = ["render_cohort", "render_result", "width"]

_SHOWN_PER_EXERCISE = 3


def width(console: Console, columns: int = 120) -> Console:
    """A console that is wide enough for tables when its output is not a terminal."""
    if not console.is_terminal:
        console.width = columns
    return console


def render_result(result: Result) -> RenderableType:
    """One result: a line per exercise, and below it what went wrong."""
    parts: list[RenderableType] = [
        Text(plain(message, 1000), style="yellow") for message in result.messages
    ]
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    table.add_column("exercise")
    table.add_column("points", justify="right")
    table.add_column("checks", justify="right")
    graded = [exercise for exercise in result.exercises if not _left_out(exercise)]
    for exercise in graded:
        passed = sum(check.outcome is Outcome.PASSED for check in exercise.checks)
        full = exercise.score == exercise.max_score
        style = "green" if full else "red" if not exercise.score else "yellow"
        table.add_row(
            Text(exercise.title, style=style), _points(exercise.score, exercise.max_score),
            f"{passed}/{len(exercise.checks)}",
        )  # fmt: skip
    parts.append(table)
    if result.status is not Status.REJECTED:
        parts += [_failures(exercise) for exercise in graded if _telling(exercise)]
    parts.append(_verdict(result))
    return Group(*parts)


def _left_out(exercise: ExerciseResult) -> bool:
    """Whether it was not asked for (`--only`)."""
    return all(
        check.outcome is Outcome.NOT_RUN and check.failure == LEFT_OUT for check in exercise.checks
    )


def _telling(exercise: ExerciseResult) -> list[CheckResult]:
    wrong = [check for check in exercise.checks if check.outcome is not Outcome.PASSED]
    return [check for check in wrong if check.outcome is not Outcome.NOT_RUN] or wrong


def _failures(exercise: ExerciseResult) -> RenderableType:
    wrong = _telling(exercise)
    parts: list[RenderableType] = [Text(f"\n{exercise.title}", style="bold")]
    seen: set[str] = set()
    for check in wrong:
        text = explain(check, Feedback.FULL)
        if text in seen or len(seen) == _SHOWN_PER_EXERCISE:
            continue
        seen.add(text)
        parts.append(Text(f"✗ {check.title}", style="red"))
        parts.append(Padding(Text(text), (0, 0, 0, 2), expand=False))
    hidden = (
        len(exercise.checks)
        - len(seen)
        - sum(check.outcome is Outcome.PASSED for check in exercise.checks)
    )
    if hidden > 0:
        parts.append(Text(f"  … and {hidden} more checks of this exercise", style="dim"))
    return Group(*parts)


def _verdict(result: Result) -> Text:
    if result.status is Status.GRADER_ERROR:
        return Text("\ngrader error: no score was recorded", style="bold red")
    word = "rejected" if result.status is Status.REJECTED else "score"
    full = result.score == result.max_score
    layers = f", {_isolation(result)}" if result.isolation else ""
    return Text(
        f"\n{word}: {_points(result.score, result.max_score)}   ({result.seconds:.1f} s{layers})",
        style="bold green" if full else "bold",
    )


def _isolation(result: Result) -> str:
    active = [name for name, state in result.isolation.items() if state.startswith("active")]
    missing = [name for name in result.isolation if name not in active]
    if not active:
        return "no isolation"
    return f"{len(active)} isolation layers" + (
        f", without {', '.join(missing)}" if missing else ""
    )


def _points(score: float | None, most: float) -> str:
    return f"– / {most:g}" if score is None else f"{score:g} / {most:g}"


def render_cohort(rows: Sequence[tuple[str, Result]]) -> RenderableType:
    """One line per submission: student, score, what went wrong."""
    table = Table(header_style="bold", show_lines=False)
    table.add_column("student", no_wrap=True)
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    table.add_column("what went wrong")
    for name, result in rows:
        full = result.score == result.max_score
        style = "green" if full else "red" if not result.score else ""
        table.add_row(
            escape(plain(name, 40)),
            Text(_points(result.score, result.max_score), style=style),
            f"{result.seconds:.1f}",
            Text(summary(result)),
        )
    return table
