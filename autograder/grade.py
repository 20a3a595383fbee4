"""Grading one submission, from its files to a result: the one flow, top to bottom."""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import importlib.metadata
import logging
import platform
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import hypothesis
import numpy
import pytest
import torch

import autograder
from autograder.assignment import Assignment
from autograder.attempt import Attempt, sandbox_for
from autograder.checks.diagnose import diagnose
from autograder.config import Exercise
from autograder.errors import GraderError
from autograder.merging import noted
from autograder.outcome import Failure, Outcome
from autograder.policy import PolicyReport, SourceError, check_source
from autograder.pytest_plugin import CheckSpec, Ending
from autograder.result import LEFT_OUT, CheckResult, ExerciseResult, Result, Status
from autograder.sandbox import Isolation, Sandbox
from autograder.sandbox.request import Request
from autograder.scoring import gated, maxima, total
from autograder.student import Backend, InProcess, Student, StudentFault
from autograder.submission import Submission
from autograder.suite import Suite
from autograder.timing import TAG
from autograder.timing.stand import Stand

__all__ = ["Grader"]

_log = logging.getLogger(__name__)
Progress = Callable[[Result], None]


class Opened(Backend, Protocol):
    """A backend that is told which exercise and which check come next."""

    def begin(
        self, exercise: Exercise, script: Sequence[Request] = (), *, last: bool = False
    ) -> None: ...
    def begin_check(self, place: int | None = None) -> None: ...
    def end_check(self) -> Sequence[Request] | None: ...


class Grader:
    """Grades submissions of one assignment, one after another, keeping everything warm.

    Use it as a context manager. `sandbox` may have been started already (see `sandbox_for`); it is
    the grader's from then on. `in_process` calls the student's code without any sandbox: for
    benchmarks and for debugging a suite, never for a grade that counts.
    """

    def __init__(
        self,
        assignment: Assignment,
        isolation: Isolation = Isolation.AUTO,
        *,
        sandbox: Sandbox | None = None,
    ) -> None:
        self.assignment = assignment
        self._sandbox = sandbox or sandbox_for(assignment.config, isolation)
        self._stand = Stand(self._sandbox.isolation, self._sandbox.limits)
        self._scripts: dict[str, tuple[int, Sequence[Request]]] = {}
        self._suite = Suite(assignment.suite)
        self._maxima: dict[str, float] = {}

    def __enter__(self) -> Grader:
        # The zygote imports torch while the suite is being collected.
        self._sandbox.start()
        torch.set_num_threads(1)
        try:
            self._suite.__enter__()
            self._maxima = maxima(self.assignment.config, self._suite.checks)
            with contextlib.suppress(ImportError):
                # gradcheck needs it (0.4 s); the zygote isn't ready yet, so the time is free.
                importlib.import_module("torch.fx.experimental.symbolic_shapes")
            _spare_the_collector()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        # First, so that a grade that was interrupted ends soon: the suite's thread is waited for.
        self._sandbox.close()
        self._suite.close()
        self._stand.close()

    @property
    def checks(self) -> tuple[CheckSpec, ...]:
        return self._suite.checks

    def grade(
        self,
        submission: Submission,
        *,
        seed: int = 0,
        only: Collection[str] | None = None,
        progress: Progress | None = None,
    ) -> Result:
        """The result of `submission`.

        `seed` chooses another set of generated cases; `only` restricts grading to some exercises,
        to the checks that need the clock ("timing"), or to both (the rest is `not_run`); `progress`
        is called with the incomplete result after each check. Never raises for what a submission
        does.
        """
        tally = _Tally(self, submission, progress)
        try:
            return self._suite.call(lambda: self._grade(submission, tally, seed, only))
        except GraderError as error:
            return tally.broken(str(error))
        except Exception:
            # A bug of ours: nobody gets a score from it, and the next submission is not affected.
            return tally.broken(traceback.format_exc())

    def grade_in_process(self, module: InProcess, *, seed: int = 0) -> Result:
        """The result of an imported module, called directly (no policy, no sandbox, no limits)."""
        tally = _Tally(self, Submission.from_files({}), None)

        def run() -> Result:
            for exercise in self.assignment.config.exercises:
                self._run_exercise(exercise, _Unsandboxed(module), tally, seed)
            return tally.result(complete=True)

        return self._suite.call(run)

    def _grade(
        self, submission: Submission, tally: _Tally, seed: int, only: Collection[str] | None
    ) -> Result:
        config = self.assignment.config
        missing = [name for name in config.files if name not in submission.files]
        if missing:
            found = ", ".join(sorted(submission.files)) or "none of them"
            return tally.rejected(
                f"{' and '.join(missing)} is missing from the submission (found: {found}); "
                f"hand in {' and '.join(config.files)}"
            )
        try:
            report = self._policy(submission)
        except SourceError as error:
            return tally.rejected(str(error))
        if report.module_level:
            return tally.rejected(*(violation.message for violation in report.module_level[:5]))
        tally.note(*(f"note: {violation.message}" for violation in report.elsewhere[:3]))
        chosen = {e.id for e in config.exercises}
        chosen = chosen & set(only or ()) or chosen
        clock_only = only is not None and TAG in only
        with Attempt(self._sandbox, config, submission.files, self._stand) as attempt:
            try:
                attempt.open()
            except StudentFault as fault:
                return tally.rejected(_sentence(fault.failure))
            tally.isolation = dict(self._sandbox.layers)
            if only is not None:
                tally.note(f"only {', '.join(sorted(only))} was graded")
            wanted = [exercise for exercise in config.exercises if exercise.id in chosen]
            for exercise in wanted:
                forbidden = [
                    v for name in exercise.functions for v in report.by_function.get(name, ())
                ]
                if forbidden:
                    tally.forbid(exercise, Failure(forbidden[0].message))
                else:
                    last = exercise is wanted[-1]
                    self._run_exercise(
                        exercise, attempt, tally, seed, clock_only=clock_only, last=last
                    )
        return noted(tally.result(complete=True))

    def _policy(self, submission: Submission) -> PolicyReport:
        config = self.assignment.config
        name = config.files[0]
        return check_source(submission.files[name], name, config.functions, config.policy)

    def _run_exercise(
        self,
        exercise: Exercise,
        backend: Opened,
        tally: _Tally,
        seed: int,
        *,
        clock_only: bool = False,
        last: bool = False,
    ) -> None:
        checks = [
            check
            for check in self.checks
            if check.exercise == exercise.id and (TAG in check.tags or not clock_only)
        ]
        script, places = self._script(checks, seed)
        backend.begin(exercise, script, last=last)
        student = Student(backend, self.assignment.config.functions)
        for check in checks:
            blocked = gated(check, tally.done)
            if blocked is not None:
                tally.skip(check, blocked)
                continue
            place = places.get(check.id)
            ending = self._run_check(check, backend, place, student, seed)
            if ending.outcome is Outcome.GRADER_ERROR:
                # Bad luck (a full disk, a starved machine) deserves a second try; a bug repeats.
                ending = self._run_check(check, backend, place, student, seed)
            if ending.failure is not None:
                ending = replace(ending, failure=self._explained(ending.failure, ending, exercise))
            if ending.outcome is Outcome.FORBIDDEN and ending.failure is not None:
                tally.forbid(exercise, ending.failure)
                return
            tally.add(check, ending)

    def _script(
        self, checks: Sequence[CheckSpec], seed: int
    ) -> tuple[list[Request], dict[str, int]]:
        """What these checks will ask, as far as it is known, and where in it each begins."""
        script: list[Request] = []
        places = {}
        for check in checks:
            known_seed, requests = self._scripts.get(check.id, (None, ()))
            if known_seed == seed:
                places[check.id] = len(script)
                script += requests
        return script, places

    def _run_check(
        self, check: CheckSpec, backend: Opened, place: int | None, student: Student, seed: int
    ) -> Ending:
        backend.begin_check(place)
        ending = self._suite.run(check, student, seed)
        made = backend.end_check()
        if made is not None and ending.outcome is Outcome.PASSED:
            self._scripts[check.id] = (seed, made)
        return ending

    def _explained(self, failure: Failure, ending: Ending, exercise: Exercise) -> Failure:
        """The failure with a hint: of the misconception that the check named, or a diagnosis."""
        if failure.misconception is None and not ending.mismatches:
            return failure
        known = [m for m in self.assignment.misconceptions if m.exercise == exercise.id]
        if failure.misconception is not None:
            hints = [m.hint for m in known if m.id == failure.misconception]
            return replace(failure, help=failure.help or (hints[0] if hints else None))
        try:
            return diagnose(failure, ending.mismatches, ending.evidence, known)
        except Exception:
            # A hint is a courtesy: that we can't find one must not cost anybody the grade.
            _log.exception("no diagnosis for %s", failure.rationale)
            return failure


class _Unsandboxed:
    """An in-process module as a backend that is told what comes next (and doesn't mind)."""

    one_by_one = False

    def __init__(self, module: InProcess) -> None:
        self.call = module.call

    def begin(
        self, exercise: Exercise, script: Sequence[Request] = (), *, last: bool = False
    ) -> None:
        pass

    def begin_check(self, place: int | None = None) -> None:
        pass

    def end_check(self) -> None:
        return None


class _Tally:
    """The result while it comes into being."""

    def __init__(self, grader: Grader, submission: Submission, progress: Progress | None) -> None:
        self._config = grader.assignment.config
        self._checks = grader.checks
        self._maxima = grader._maxima
        self._progress = progress
        self._began = time.perf_counter()
        self._messages = list(submission.notes)
        self._digest = submission.digest
        self._faults: list[str] = []
        self.isolation: Mapping[str, str] = {}
        self.done: dict[str, CheckResult] = {}

    def note(self, *lines: str) -> None:
        self._messages.extend(lines)

    def add(self, check: CheckSpec, ending: Ending) -> None:
        most = self._maxima[check.id]
        if ending.outcome is Outcome.GRADER_ERROR:
            self._faults.append(ending.fault or check.id)
        lost = ending.outcome is Outcome.GRADER_ERROR
        leaderboard = None
        if check.leaderboard is not None and ending.leaderboard is not None:
            column, order = check.leaderboard
            leaderboard = {"name": column, "value": ending.leaderboard, "order": order}
        self._put(
            check,
            ending.outcome,
            ending.failure,
            score=None if lost else round(most * ending.fraction, 2),
            seconds=ending.seconds,
            leaderboard=leaderboard,
        )

    def skip(self, check: CheckSpec, gate: CheckResult) -> None:
        """Record a check that would earn nothing, because `gate` did not pass."""
        failure = gate.failure
        if gate.outcome is Outcome.RAISED and failure is not None and _stub(failure):
            self._put(check, Outcome.RAISED, failure)
            return
        self._put(check, Outcome.NOT_RUN, Failure(f"counts only once this passes: {gate.title}"))

    def forbid(self, exercise: Exercise, failure: Failure) -> None:
        """Record that the policy costs a whole exercise."""
        for check in self._checks:
            if check.exercise == exercise.id:
                self._put(check, Outcome.FORBIDDEN, failure)

    def rejected(self, *lines: str) -> Result:
        """The result of a submission that can't be used at all."""
        self.note(*lines)
        for check in self._checks:
            self._put(check, Outcome.NOT_RUN, Failure("the submission was rejected"))
        return replace(self.result(complete=True), status=Status.REJECTED, score=0.0)

    def broken(self, fault: str) -> Result:
        """The result when the grader itself failed: no score."""
        self._faults.append(fault)
        failure = Failure("not graded: a fault of the grader, not of your code")
        for check in self._checks:
            if check.id not in self.done:
                self._put(check, Outcome.GRADER_ERROR, failure, score=None)
        return self.result(complete=True)

    def _put(
        self,
        check: CheckSpec,
        outcome: Outcome,
        failure: Failure | None,
        *,
        score: float | None = 0.0,
        seconds: float = 0.0,
        leaderboard: Mapping[str, object] | None = None,
    ) -> None:
        exercise = self._config.exercise(check.exercise)
        self.done[check.id] = CheckResult(
            id=check.id,
            title=check.title,
            outcome=outcome,
            score=score,
            max_score=self._maxima[check.id],
            seconds=round(seconds, 4),
            failure=failure,
            visibility=check.visibility or exercise.visibility,
            number=check.number,
            tags=check.tags,
            leaderboard=leaderboard,
        )
        if self._progress is not None:
            self._progress(self.result(complete=False))

    def result(self, *, complete: bool) -> Result:
        waiting = LEFT_OUT if complete else Failure("not graded yet")
        exercises = []
        for exercise in self._config.exercises:
            checks = tuple(
                self.done.get(check.id)
                or CheckResult(
                    check.id, check.title, Outcome.NOT_RUN, 0.0, self._maxima[check.id],
                    failure=waiting, visibility=check.visibility or exercise.visibility,
                )
                for check in self._checks
                if check.exercise == exercise.id
            )  # fmt: skip
            score = total([check.score for check in checks])
            exercises.append(
                ExerciseResult(exercise.id, exercise.title, score, exercise.points, checks)
            )
        score = total([exercise.score for exercise in exercises])
        faulty = bool(self._faults)
        return Result(
            assignment=self._config.id,
            title=self._config.title,
            status=Status.GRADER_ERROR if faulty else Status.GRADED,
            score=None if faulty else score,
            max_score=self._config.max_score,
            exercises=tuple(exercises),
            isolation=self.isolation,
            messages=tuple(self._messages),
            versions=versions(),
            seconds=round(time.perf_counter() - self._began, 3),
            complete=complete,
            feedback=self._config.feedback,
            visibility=self._config.visibility,
            fault="\n".join(self._faults) or None,
            submission=self._digest,
        )


@functools.cache
def versions() -> dict[str, str]:
    """What a grade depends on beside the assignment."""
    found = {
        "autograder": autograder.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "pytest": pytest.__version__,
        "hypothesis": hypothesis.__version__,
    }
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        found["triton"] = importlib.metadata.version("triton")
    return found


def _spare_the_collector() -> None:
    """What is alive now (torch, hypothesis, the suite) stays; don't look through it time and again.

    Half a million objects: a tenth of a cold grade went into that.
    """
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


def _stub(failure: Failure) -> bool:
    return failure.rationale.endswith("is not implemented yet")


def _sentence(failure: Failure) -> str:
    place = f"{failure.where}: " if failure.where else ""
    more = f" ({failure.help})" if failure.help else ""
    return f"{place}{failure.rationale}{more}"
