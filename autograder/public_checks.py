"""`autograder check` and `watch`: a student's public checks, in this process.

The same `test_public.py` that plain `pytest` runs in a handout, with a shorter report: one line
per exercise, and the first thing that is wrong in each.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from autograder.course import find_course
from autograder.errors import CourseError, InputError

__all__ = ["run_public_checks", "watch_public_checks"]

_POLL_SECONDS = 0.4


@dataclass(slots=True)
class _Exercise:
    passed: int = 0
    unfinished: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


class _Collector:
    """A pytest plugin that keeps each test's ending, by the class (the exercise) it is in."""

    def __init__(self) -> None:
        self.exercises: dict[str, _Exercise] = {}
        self.broken: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.broken.append(str(report.longrepr))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not report.failed:
            return
        parts = report.nodeid.split("::")
        exercise = self.exercises.setdefault(_exercise_id(parts[1]), _Exercise())
        if report.passed:
            exercise.passed += 1
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        if crash is None:
            exercise.failures.append((" ".join(parts[2:]), report.longreprtext))
        elif crash.message.startswith("NotImplementedError"):
            exercise.unfinished += 1
        else:
            place = f"{Path(crash.path).name}:{crash.lineno}"
            exercise.failures.append((f"{' '.join(parts[2:])} ({place})", crash.message))


def run_public_checks(assignment_id: str | None, only: str | None) -> int:
    """Run them once and print; 0 if all pass, 1 if not. Raises InputError."""
    folder = _folder(assignment_id)
    collector = _Collector()
    # Assertion rewriting and imports must see the file as it is now, not as it was cached.
    with _fresh_modules(folder):
        arguments = [str(folder / "test_public.py"), f"--rootdir={folder}"]
        arguments += ["-c", str(folder / "pytest.ini"), "-p", "no:terminal", "-p", "no:randomly"]
        arguments += ["-p", "no:cacheprovider", "--capture=no", "-o", "addopts="]
        if only is not None:
            arguments += ["-k", _class_name(only)]
        pytest.main(arguments, plugins=[collector])
    console = Console(highlight=False)
    for text in collector.broken:
        console.print(Text(text, style="red"))
    if collector.broken:
        return 1
    if not collector.exercises:
        raise InputError(f"no public checks for {only!r} in {folder / 'test_public.py'}")
    return _report(console, collector.exercises)


def watch_public_checks(assignment_id: str | None, only: str | None) -> None:
    """Run them whenever a file of the assignment changes, until Ctrl-C."""
    folder = _folder(assignment_id)
    seen: dict[Path, int] = {}
    console = Console(highlight=False)
    try:
        while True:
            now = {path: path.stat().st_mtime_ns for path in folder.glob("*.py")}
            if now != seen:
                seen = now
                console.rule(time.strftime("%H:%M:%S"))
                run_public_checks(assignment_id, only)
                console.print(Text("waiting for changes; Ctrl-C stops", style="dim"))
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        console.print()


def _report(console: Console, exercises: dict[str, _Exercise]) -> int:
    for name, exercise in exercises.items():
        total = exercise.passed + exercise.unfinished + len(exercise.failures)
        if exercise.passed == total:
            console.print(Text(f"✓ {name}: {total} checks pass", style="green"))
        elif not exercise.failures:
            rest = "not implemented yet" if not exercise.passed else "the rest is not implemented"
            console.print(Text(f"· {name}: {exercise.passed} of {total}, {rest}", style="dim"))
        else:
            console.print(Text(f"✗ {name}: {exercise.passed} of {total}", style="red"))
            test, text = exercise.failures[0]
            console.print(Padding(Text(f"{test}\n{text}"), (0, 0, 0, 4), expand=False))
    return 0 if all(not e.failures and not e.unfinished for e in exercises.values()) else 1


def _folder(assignment_id: str | None) -> Path:
    here = Path.cwd()
    if assignment_id is None:
        if (here / "test_public.py").is_file():
            return here
        raise InputError(
            f"no test_public.py in {here}; change into an assignment's folder or name one: "
            "autograder check a1_operators"
        )
    for folder in (here / assignment_id, here / "assignments" / assignment_id):
        if (folder / "test_public.py").is_file():
            return folder
    course = find_course()
    folder = course.handout(course.require(assignment_id))
    if not (folder / "test_public.py").is_file():
        raise CourseError(f"{folder}: has no test_public.py; run `autograder handout` first")
    return folder


@contextmanager
def _fresh_modules(folder: Path) -> Iterator[None]:
    before, path = set(sys.modules), list(sys.path)
    sys.path.insert(0, str(folder))
    own = {file.stem for file in folder.glob("*.py")}
    hidden = {name: sys.modules.pop(name) for name in own if name in sys.modules}
    try:
        yield
    finally:
        for name in set(sys.modules) - before:
            if name in own:
                del sys.modules[name]
        sys.modules.update(hidden)
        sys.path[:] = path


def _class_name(exercise: str) -> str:
    known = exercise.replace("-", "_")
    return "Test" + "".join(part.capitalize() for part in known.split("_"))


def _exercise_id(class_name: str) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name.removeprefix("Test"))
    return words.lower()
