"""One submission on its way through a suite: a fresh worker per exercise, and time budgets."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from autograder.config import Config, Exercise
from autograder.errors import SandboxError
from autograder.outcome import Failure
from autograder.sandbox import Sandbox, Worker
from autograder.student import Reply, StudentFault, StudentMissing, StudentTimedOut

__all__ = ["Attempt"]


class Attempt:
    """The backend of `student` while one submission is graded in workers.

    A worker lives for one exercise, unless it dies: then the next call gets a fresh one. Time is
    counted only while the student's code has control.
    """

    def __init__(self, sandbox: Sandbox, config: Config, files: Mapping[str, bytes]) -> None:
        self._sandbox = sandbox
        self._config = config
        self._files = files
        self._worker: Worker | None = None
        self._status: Mapping[str, str] = {}
        self._exercise: Exercise | None = None
        self._spent_on_exercise = 0.0
        self._spent = 0.0

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *exc: object) -> None:
        self._drop()

    def open(self) -> None:
        """Start a worker and import the submission. Raises StudentFault if that fails."""
        if self._worker is None or not self._worker.alive:
            self._drop()
            self._worker = self._sandbox.spawn()
            began = time.perf_counter()
            try:
                self._status = self._worker.load(
                    self._files,
                    self._config.module,
                    self._config.functions,
                    timeout=self._config.limits.import_seconds,
                )
            except StudentFault:
                self._drop()
                raise
            finally:
                self._count(time.perf_counter() - began)

    def begin(self, exercise: Exercise) -> None:
        """Turn to another exercise: a fresh worker and a fresh budget."""
        if self._exercise is not None:
            self._drop()
        self._exercise = exercise
        self._spent_on_exercise = 0.0

    def call(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reply:
        """Call a function of the submission. Raises StudentFault."""
        limits = self._config.limits
        left = min(
            limits.exercise_seconds - self._spent_on_exercise, limits.total_seconds - self._spent
        )
        if left <= 0:
            raise self._out_of_time()
        self.open()
        status = self._status.get(function, "missing")
        if status != "ok":
            raise StudentMissing(self._missing(function, status))
        if self._worker is None:
            raise SandboxError("the worker vanished between import and call")
        began = time.perf_counter()
        try:
            return self._worker.call(function, args, kwargs, timeout=min(limits.call_seconds, left))
        finally:
            self._count(time.perf_counter() - began)

    def _count(self, seconds: float) -> None:
        self._spent += seconds
        self._spent_on_exercise += seconds

    def _drop(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _missing(self, function: str, status: str) -> Failure:
        file = self._config.files[0]
        if status == "missing":
            return Failure(
                f"`{function}` is missing: {file} does not define it",
                help=f"Keep the names of the handout: `def {function}(…)` must be in {file}.",
            )
        return Failure(f"`{function}` in {file} is {status}", expected="a function")

    def _out_of_time(self) -> StudentTimedOut:
        limits = self._config.limits
        whole = self._spent >= limits.total_seconds
        what = "the submission" if whole else "this exercise"
        budget = limits.total_seconds if whole else limits.exercise_seconds
        return StudentTimedOut(f"not run: {what} has used up its {budget:g} seconds")
