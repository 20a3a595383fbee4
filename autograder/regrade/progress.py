"""How far a run is: a bar with rate and time left on a terminal, now and then a line in CI."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from autograder.reports.wording import plain

__all__ = ["show_progress"]

_SECONDS_BETWEEN_LINES = 10.0


class Advance(Protocol):
    """`count` more submissions are through; `student` is one of them."""

    def __call__(self, student: str, count: int) -> None: ...


@contextmanager
def show_progress(total: int, stream: TextIO | None = None) -> Iterator[Advance]:
    """Say on stderr how far it is; silent where nothing takes long enough to need it."""
    console = Console(file=stream or sys.stderr)
    if not console.is_terminal:
        yield _Lines(console, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, refresh_per_second=8) as bar:
        task = bar.add_task("regrading", total=total)

        def advance(student: str, count: int) -> None:
            bar.update(task, advance=count, description=plain(student, 24))

        yield advance


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{rate(task.speed)}")


class _Lines:
    """At most a line every ten seconds, however many submissions there are."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._began = self._said = time.monotonic()

    def __call__(self, student: str, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._said < _SECONDS_BETWEEN_LINES:
            return
        self._said = now
        speed = self._done / (now - self._began)
        left = (self._total - self._done) / speed
        line = f"[{self._done}/{self._total}] {rate(speed)}, {clock(left)} left"
        self._console.print(Text(line), soft_wrap=True)


def rate(speed: float) -> str:
    """Submissions per second, or per minute where that reads better."""
    return f"{speed:.1f}/s" if speed >= 1 else f"{speed * 60:.1f}/min"


def clock(seconds: float) -> str:
    """h:mm:ss, or m:ss below an hour."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
