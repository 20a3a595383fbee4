"""Runs and their differences on a terminal (through rich)."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autograder.regrade.difference import Change, CheckChange, Difference
from autograder.regrade.records import Run
from autograder.reports.wording import plain

__all__ = ["render_difference", "render_runs"]

_CHECKS_SHOWN = 8


def render_difference(difference: Difference) -> RenderableType:
    """Everybody whose grade changed, those who lose first, each with cause and checks."""
    parts: list[RenderableType] = []
    for change in difference.changes:
        parts.append(_headline(change))
        shown = change.checks[:_CHECKS_SHOWN]
        parts += [Padding(_check(check), (0, 0, 0, 4), expand=False) for check in shown]
        if len(change.checks) > len(shown):
            rest = len(change.checks) - len(shown)
            more = Text(f"… and {rest} more checks", style="dim")
            parts.append(Padding(more, (0, 0, 0, 4), expand=False))
    parts.append(_conclusion(difference))
    return Group(*parts)


def render_runs(runs: Sequence[Run]) -> RenderableType:
    """One line per run, with what changed since the one before it."""
    table = Table(header_style="bold")
    table.add_column("run", justify="right")
    for title in ("started", "finished", "changed since", "options", "source"):
        table.add_column(title)
    before: Run | None = None
    for run in runs:
        changed = () if before is None else before.fingerprint.differences(run.fingerprint)
        options = [name for name in ("force", "failed") if getattr(run.options, name)]
        options += [f"only {name}" for name in run.options.only]
        table.add_row(
            str(run.id),
            f"{run.started:%Y-%m-%d %H:%M:%S}",
            "interrupted" if run.finished is None else f"{run.finished:%H:%M:%S}",
            ", ".join(changed),
            ", ".join(options),
            Text(plain(run.source, 200), overflow="fold"),
        )
        before = run
    return table


def _headline(change: Change) -> Text:
    style = "red" if change.down else "green" if change.new != change.old else ""
    text = Text()
    text.append(plain(change.student, 60), style="bold")
    text.append(f"  {_points(change.old)} → {_points(change.new)}", style=style)
    if (change.old, change.new) != (change.old_raw, change.new_raw):
        raw = f"  ({_points(change.old_raw)} → {_points(change.new_raw)} before the late policy)"
        text.append(raw, style="dim")
    if change.gone:
        text.append("  gone: the new run found nothing of this student")
    elif change.appeared:
        text.append("  new")
    else:
        text.append(f"  {', '.join(change.causes)}", style="cyan")
    return text


def _check(change: CheckChange) -> Text:
    text = Text(f"{plain(change.check, 80)}: ")
    text.append(f"{_outcome(change.old_outcome)} → {_outcome(change.new_outcome)}")
    if change.old_score != change.new_score:
        text.append(f"  {_points(change.old_score)} → {_points(change.new_score)}", style="dim")
    if change.misconception is not None:
        text.append(f"  {change.misconception.replace('_', ' ')}", style="dim")
    return text


def _conclusion(difference: Difference) -> Text:
    old = "the platform's old scores" if difference.old is None else f"run {difference.old}"
    down = len(difference.down)
    text = Text(
        f"{old} → run {difference.new}: {len(difference.changes)} changed, of these {down} down; "
        f"{difference.unchanged} as before",
        style="bold",
    )
    if difference.components:
        text.append(f"\nnot the same in these runs: {', '.join(difference.components)}")
    return text


def _points(score: float | None) -> str:
    return "–" if score is None else f"{score:g}"


def _outcome(outcome: str | None) -> str:
    return "not there" if outcome is None else outcome.replace("_", " ")
