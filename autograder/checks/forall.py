"""`for_all`: a property over generated cases, reproducible, with the smallest failing input.

`for_each` is the same over cases that a suite lists itself.

Nothing is left to luck: each check has its own seed (from the hidden suite, so that it can't be
guessed), there is no example database, and no global random state is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import hypothesis
from hypothesis import HealthCheck, Phase
from hypothesis import errors as hypothesis_errors
from hypothesis import strategies as st

from autograder.checks.compare import CheckFailed
from autograder.student import StudentFault, StudentRaised

__all__ = ["CheckRun", "check_run", "current_run", "for_all", "for_each"]

T = TypeVar("T")
_MAX_FAILURES = 32


@dataclass(slots=True)
class CheckRun:
    """What a running check is given (its seed) and leaves behind (its failures).

    `recordings` keeps the cases of each `for_all` of the check, once they have all passed, so that
    the next submission is given the same cases without generating them again. Whoever starts the
    run keeps the list for as long as check and seed stay the same.
    """

    seed: int = 0
    failures: list[CheckFailed] | None = None
    recordings: list[tuple[Any, ...] | None] = field(default_factory=list)
    position: int = 0

    def recording(self) -> tuple[int, tuple[Any, ...] | None]:
        """The place of the `for_all` that starts now, and its known cases."""
        place = self.position
        self.position += 1
        if place == len(self.recordings):
            self.recordings.append(None)
        return place, self.recordings[place]


_current: ContextVar[CheckRun | None] = ContextVar("check_run", default=None)


@contextmanager
def check_run(run: CheckRun) -> Iterator[CheckRun]:
    """Make `run` the current check's for the duration."""
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)


def current_run() -> CheckRun:
    """The running check's; a plain pytest session has a default one."""
    run = _current.get()
    return CheckRun() if run is None else run


class _Stop(BaseException):
    """Carries a fault past hypothesis, which would otherwise look for a smaller input."""

    def __init__(self, fault: StudentFault) -> None:
        self.fault = fault


def for_all(
    strategy: st.SearchStrategy[T],
    body: Callable[[T], None],
    *,
    examples: int = 12,
    describe: Callable[[T], str] | None = None,
) -> None:
    """Run `body` on `examples` generated cases; re-raise its failure on the smallest one.

    A fault that no smaller input would explain better (not implemented, missing, forbidden, a
    dead worker) ends the search at once. Raises what `body` raises.
    """
    run = current_run()
    show = _describe if describe is None else describe
    place, known = run.recording()
    earlier: CheckFailed | StudentFault | None = None
    if known is not None:
        earlier = _replay(known, body)
        if earlier is None:
            return
    seen: list[T] = []

    @hypothesis.seed(run.seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=hypothesis.Verbosity.quiet,
    )
    @hypothesis.given(strategy)
    def check(case: T) -> None:
        seen.append(case)
        try:
            _attempt(body, case, show)
        except StudentFault as fault:
            if _hopeless(fault):
                raise _Stop(fault) from None
            raise

    # The key of a database that we don't have; hypothesis would tokenize our source to make one.
    check._hypothesis_internal_database_key = b""  # type: ignore[attr-defined]
    try:
        check()
    except _Stop as stop:
        raise stop.fault from None
    except (hypothesis_errors.Flaky, hypothesis_errors.FlakyFailure) as flaky:
        raise _inconsistent(flaky) from None
    if earlier is not None:
        # It failed a moment ago and passes now.
        raise _inconsistent(earlier)
    run.recordings[place] = tuple(seen)


def _replay(cases: tuple[T, ...], body: Callable[[T], None]) -> CheckFailed | StudentFault | None:
    """Run `body` on known cases; the failure that is worth a search for a smaller input, if any."""
    for case in cases:
        try:
            body(case)
        except StudentFault as fault:
            if _hopeless(fault):
                raise
            return fault
        except CheckFailed as failed:
            return failed
    return None


def for_each(
    cases: Iterable[T], body: Callable[[T], None], *, describe: Callable[[T], str] | None = None
) -> None:
    """Run `body` on every one of `cases`, in order: list the simplest first.

    The first failure ends the search. Raises what `body` raises.
    """
    for case in cases:
        _attempt(body, case, _describe if describe is None else describe)


def _attempt(body: Callable[[T], None], case: T, show: Callable[[T], str]) -> None:
    """Run `body` on one case, and put the case into the failure that it raises."""
    run = current_run()
    try:
        body(case)
    except CheckFailed as failed:
        if run.failures is not None and len(run.failures) < _MAX_FAILURES:
            run.failures.append(failed)
        raise failed.with_example(show(case)) from None
    except StudentFault as fault:
        if not _hopeless(fault):
            fault.failure = replace(fault.failure, example=show(case))
        raise


def _hopeless(fault: StudentFault) -> bool:
    if fault.fatal or not isinstance(fault, StudentRaised):
        return True
    return fault.not_implemented


def _inconsistent(flaky: BaseException) -> Exception:
    inner = getattr(flaky, "exceptions", (flaky,))
    for error in inner:
        if isinstance(error, CheckFailed):
            failure = replace(
                error.failure,
                help="The same call gave different answers: results must depend on the arguments"
                " alone, not on earlier calls, random numbers or uninitialised memory.",
            )
            return CheckFailed(failure, error.mismatch)
        if isinstance(error, StudentFault):
            return error
    return CheckFailed(
        "the same call gave different answers: results must depend on the arguments alone, "
        "not on earlier calls, random numbers or uninitialised memory"
    )


def _describe(case: Any) -> str:
    describe = getattr(case, "describe", None)
    return describe() if callable(describe) else repr(case)[:300]
