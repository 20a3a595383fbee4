"""A suite as a pytest plugin: collected once, then run for one submission after another.

The suite's tests are ordinary pytest tests that take the `student` fixture. Collection, fixtures,
parametrization and assertion rewriting are pytest's; the run loop is ours, because pytest's own
runs once and reports to a terminal. gradescope-utils' decorators are read from the functions.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from autograder.checks.compare import CheckFailed, Mismatch
from autograder.checks.forall import CheckRun, check_run
from autograder.config import Visibility
from autograder.errors import GraderError
from autograder.outcome import Failure, Outcome
from autograder.student import Call, Student, StudentFault
from autograder.timing import TAG

__all__ = ["CheckSpec", "Ending", "SuitePlugin"]

_STUDENT_KWARGS = ("set_score", "set_leaderboard_value")


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """What is known of a check before it runs.

    `gates` are the ids of the checks that must pass before this one earns anything.
    """

    id: str
    title: str
    exercise: str
    weight: float
    gates: tuple[str, ...] = ()
    visibility: Visibility | None = None
    number: str | None = None
    tags: tuple[str, ...] = ()
    hide_errors: str | None = None
    leaderboard: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How one run of a check ended, before anything is scored.

    `fraction` is the share of the check's points that it earned. `evidence` and `mismatches` are
    for the diagnosis; `fault` is a traceback of ours, for staff only.
    """

    outcome: Outcome
    fraction: float
    seconds: float = 0.0
    failure: Failure | None = None
    evidence: tuple[Call, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    leaderboard: Any = None
    fault: str | None = None
    inherits: bool = False


class SuitePlugin:
    """Holds the collected items and runs them on demand."""

    def __init__(self, loop: Callable[[], None]) -> None:
        self._loop = loop
        self._items: dict[str, pytest.Item] = {}
        self._student: Student | None = None
        self._excinfo: BaseException | None = None
        self._failed_phase = ""
        self._recordings: dict[str, tuple[int, list[tuple[Any, ...] | None]]] = {}
        self.checks: tuple[CheckSpec, ...] = ()
        self.problems: list[str] = []

    @pytest.fixture
    def student(self) -> Student:
        """The submission being graded."""
        if self._student is None:
            raise RuntimeError("no submission is being graded")
        return self._student

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            lines = [line for line in str(report.longrepr).splitlines() if line.strip()]
            place = report.nodeid or "the suite"
            self.problems.append(f"{place}: {lines[-1].strip() if lines else 'collection failed'}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        specs: list[CheckSpec] = []
        for item in session.items:
            spec = _spec(item)
            if spec is None:
                self.problems.append(f"{item.nodeid}: no exercise; add @exercise('…')")
                continue
            if spec.id in self._items:
                self.problems.append(f"{item.nodeid}: another check has the id {spec.id!r} too")
                continue
            self._items[spec.id] = item
            specs.append(spec)
        self.checks = tuple(_with_gates(specs, self._items))
        self.problems += [
            f"{spec.id}: none of the checks that @contract(after=…) names is in its class"
            for spec in self.checks
            if not spec.gates and _contract(self._items[spec.id])
        ]

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self._loop()
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.excinfo is not None and self._excinfo is None:
            self._excinfo = call.excinfo.value
            self._failed_phase = call.when

    def run(self, check: CheckSpec, student: Student, seed: int) -> Ending:
        """Run one check against `student`."""
        item = self._items[check.id]
        function = getattr(item, "function", None)
        for name in ("__score__", "__leaderboard_value__"):
            if function is not None and hasattr(function, name):
                setattr(function, name, None)
        self._student, self._excinfo, self._failed_phase = student, None, ""
        student.begin_check()
        noted = CheckRun(seed=seed, failures=[], recordings=self._recordings_of(check, seed))
        began = time.perf_counter()
        with check_run(noted), contextlib.redirect_stdout(sys.stderr):
            runtestprotocol(item, log=False, nextitem=None)
        seconds = time.perf_counter() - began
        self._student = None
        mismatches = tuple(f.mismatch for f in noted.failures or () if f.mismatch is not None)
        ending = self._ending(check, mismatches)
        if ending.outcome is Outcome.PASSED:
            return replace(
                ending,
                seconds=seconds,
                fraction=_partial(function, check),
                leaderboard=getattr(function, "__leaderboard_value__", None),
            )
        if ending.outcome is Outcome.FAILED and getattr(function, "__score__", None) is not None:
            # Not all of what was asked, but some: a kernel that is right and a little too slow.
            ending = replace(
                ending,
                fraction=_partial(function, check),
                leaderboard=getattr(function, "__leaderboard_value__", None),
            )
        return replace(ending, seconds=seconds, evidence=student.calls)

    def _recordings_of(self, check: CheckSpec, seed: int) -> list[tuple[Any, ...] | None]:
        known = self._recordings.get(check.id)
        if known is None or known[0] != seed:
            known = self._recordings[check.id] = (seed, [])
        return known[1]

    def _ending(self, check: CheckSpec, mismatches: tuple[Mismatch, ...]) -> Ending:
        error = self._excinfo
        if error is None:
            return Ending(Outcome.PASSED, 1.0)
        if isinstance(error, CheckFailed):
            if not mismatches and error.mismatch is not None:
                mismatches = (error.mismatch,)
            failure = error.failure
            ending = Ending(Outcome.FAILED, 0.0, failure=failure, mismatches=mismatches)
        elif isinstance(error, StudentFault):
            inherits = bool(getattr(error, "not_implemented", False))
            inherits = inherits or type(error).__name__ == "StudentMissing"
            ending = Ending(error.outcome, 0.0, failure=error.failure, inherits=inherits)
        elif isinstance(error, pytest.skip.Exception):
            ending = Ending(Outcome.NOT_RUN, 0.0, failure=Failure(error.msg or "skipped"))
        elif (isinstance(error, AssertionError) and self._failed_phase == "call") or isinstance(
            error, pytest.fail.Exception
        ):
            ending = Ending(Outcome.FAILED, 0.0, failure=Failure(_said(error, check)))
        elif isinstance(error, GraderError):
            # Raised on purpose, with all there is to say: too busy a machine, an unclear timing.
            return Ending(Outcome.GRADER_ERROR, 0.0, fault=f"{check.id}: {error}")
        else:
            text = "".join(traceback.format_exception(error))
            return Ending(Outcome.GRADER_ERROR, 0.0, fault=f"{check.id}: {text}")
        if check.hide_errors is not None:
            return replace(ending, failure=Failure(check.hide_errors), mismatches=())
        return ending


def collect(suite: Path, plugin: SuitePlugin) -> int:
    """Collect the suite in `suite` and run the plugin's loop; returns pytest's exit code."""
    arguments = [
        str(suite),
        f"--rootdir={suite.parent}",
        "-c",
        "/dev/null",
        "--import-mode=importlib",
    ]
    arguments += ["--capture=no", "--disable-plugin-autoload", "--strict-markers"]
    # Nothing of pytest's may print, write caches or react to warnings in the grader.
    off = ("terminal", "cacheprovider", "logging", "faulthandler", "warnings", "junitxml")
    for name in (*off, "threadexception", "unraisableexception", "stepwise", "pastebin"):
        arguments += ["-p", f"no:{name}"]
    return int(pytest.main(arguments, plugins=[plugin]))


def suite_digest(suite: Path) -> str:
    """A digest of every file of the suite, by name and content."""
    digest = hashlib.sha256()
    for path in sorted(suite.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(suite).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _spec(item: pytest.Item) -> CheckSpec | None:
    function = getattr(item, "function", None)
    owner = getattr(item, "cls", None)
    exercise = getattr(function, "__exercise__", None) or getattr(owner, "__exercise__", None)
    if exercise is None or function is None:
        return None
    test = item.name.removeprefix("test_")
    subject = _snake(owner.__name__.removeprefix("Test")) + "." if owner is not None else ""
    order = getattr(function, "__leaderboard_column__", None)
    sort_order = getattr(function, "__leaderboard_sort_order__", None) or "desc"
    visibility = getattr(function, "__visibility__", None)
    return CheckSpec(
        id=f"{exercise}/{subject}{test}",
        title=_title(function, owner) or item.name,
        exercise=exercise,
        weight=float(getattr(function, "__weight__", 1) or 0),
        visibility=None if visibility is None else Visibility(visibility),
        number=getattr(function, "__number__", None),
        tags=tuple(getattr(function, "__tags__", ()) or ()),
        hide_errors=getattr(function, "__hide_errors__", None),
        leaderboard=None if order is None else (order, sort_order),
    )


def _title(function: Any, owner: type | None) -> str:
    """The check's docstring, with the class's function names put in."""
    lines = (function.__doc__ or "").strip().splitlines()
    if not lines:
        return ""
    names = {
        name: getattr(owner, name)
        for name in ("function", "forward", "backward")
        if isinstance(getattr(owner, name, None), str)
    }
    return re.sub(r"\{(\w+)\}", lambda m: names.get(m[1], m[0]), lines[0].rstrip("."))


def _with_gates(specs: Sequence[CheckSpec], items: dict[str, pytest.Item]) -> Iterator[CheckSpec]:
    for spec in specs:
        after = _contract(items[spec.id])
        if after is None and TAG in spec.tags:
            # Speed counts once the exercise's first check passes, whatever class that is in.
            same = [s for s in specs if s.exercise == spec.exercise and TAG not in s.tags]
            firsts = [s.id for s in same if _contract(items[s.id]) is None][:1]
            yield replace(spec, gates=tuple(firsts))
            continue
        if after is None:
            yield spec
            continue
        owner = getattr(items[spec.id], "cls", None)
        family = [s for s in specs if getattr(items[s.id], "cls", None) is owner]
        family = [s for s in family if s.exercise == spec.exercise]
        if after:
            names = {name.removeprefix("test_") for name in after}
            gates = [s.id for s in family if _test_name(s) in names]
        else:
            gates = [s.id for s in family if _contract(items[s.id]) is None][:1]
        yield replace(spec, gates=tuple(gates))


def _contract(item: pytest.Item) -> tuple[str, ...] | None:
    """The checks that the item's @contract names; None if it is no contract check."""
    function = getattr(item, "function", None)
    named: tuple[str, ...] | None = getattr(function, "__contract__", None)
    return named


def _test_name(spec: CheckSpec) -> str:
    """The name of the test function, without its class and its parameters."""
    return re.split(r"[./]", spec.id.partition("[")[0])[-1]


def _partial(function: Any, check: CheckSpec) -> float:
    score = getattr(function, "__score__", None)
    if score is None or not check.weight:
        return 1.0
    fraction = float(score) / check.weight
    return min(max(fraction, 0.0), 1.0) if fraction == fraction else 0.0


def _said(error: BaseException, check: CheckSpec) -> str:
    """The message of an assertion; without one, pytest's text would be a line of the suite."""
    lines = str(error).strip().splitlines()
    if not lines or lines[0].startswith("assert "):
        return f"this does not hold: {check.title}"
    return lines[0][:300]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
