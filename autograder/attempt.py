"""One submission on its way through a suite: a fresh worker per exercise, and time budgets.

A suite gives every submission the same cases, so what a check will ask is known from the submission
before. The attempt sends these requests ahead, and takes each reply when the suite makes the call:
the worker computes while the grader compares. A call that isn't the one expected (as after a wrong
answer, when hypothesis looks for a smaller input) ends this for the check, and calls go one by one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from autograder.budget import Budget
from autograder.config import Config, Device, Exercise, Timing
from autograder.errors import GraderError, SandboxError
from autograder.outcome import Failure
from autograder.policy import tripwires
from autograder.sandbox import Isolation, Sandbox, Tripwires, WorkerLimits
from autograder.sandbox.limits import has_gpu
from autograder.student import Reply, StudentFault, StudentMissing, StudentTimedOut

if TYPE_CHECKING:
    from autograder.sandbox import Worker
    from autograder.sandbox.request import Load, Request
    from autograder.sandbox.timed_worker import TimedWorker
    from autograder.timing.stand import Stand
    from autograder.timing.timer import Timer

__all__ = ["Attempt", "sandbox_for"]

_AHEAD = 32
"""Requests that may be under way at a time: more would only be wasted by a wrong answer."""
_SCRIPT_BYTES = 1 << 22
"""What a check's requests may take up in memory; those beyond are made one by one."""
_SETTLE_SECONDS = 0.05
"""How long to wait for replies that nobody needs any more; a new worker takes a third of it."""
_GPU_REPLY_MIB = 1024
"""Results that fill a GPU are revealed whole."""


def sandbox_for(config: Config, isolation: Isolation = Isolation.AUTO) -> Sandbox:
    """The sandbox in which an assignment's submissions are graded. Imports no torch.

    Raises GraderError if something is missing that the assignment needs.
    """
    names, operators = tripwires(config.policy)
    if any(name.startswith("triton.") for name in names) and find_spec("triton") is None:
        raise GraderError(
            f"{config.id} needs Triton, which isn't installed: pip install 'dl-autograder[kernels]'"
        )
    limits = WorkerLimits(memory_mib=config.limits.memory_mib)
    if config.timing is not None and config.timing.device is Device.CUDA and has_gpu():
        limits = replace(limits.on_gpu(), reply_mib=_GPU_REPLY_MIB)
    return Sandbox(isolation, limits, Tripwires(names=names, operators=operators))


class Attempt:
    """The backend of `student` while one submission is graded in workers.

    A worker lives for one exercise, unless it dies: then the next call gets a fresh one. Time is
    counted only while the student's code has control.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        config: Config,
        files: Mapping[str, bytes],
        stand: Stand | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._stand = stand
        self._config = config
        self._files = files
        self._worker: Worker | None = None
        self._status: Mapping[str, str] = {}
        self._exercise: Exercise | None = None
        self._budget = Budget(config.limits)
        self._last = False
        self._script: Sequence[Request] = ()
        self._position: int | None = None
        self._made: list[Request] | None = None
        self._made_bytes = 0
        self.one_by_one = False

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *exc: object) -> None:
        self._drop()
        self._sandbox.end_submission()

    def open(self) -> None:
        """Start a worker and import the submission. Raises StudentFault if that fails."""
        if self._worker is None or not self._worker.alive:
            self._drop()
            self._worker = self._sandbox.spawn()
            self._budget.watch(self._worker.pid)
            self._sandbox.spawn_ahead(None if self._last else self._load())
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
                self._budget.spend(time.perf_counter() - began)

    def begin(
        self, exercise: Exercise, script: Sequence[Request] = (), *, last: bool = False
    ) -> None:
        """Turn to another exercise: a fresh worker and a fresh budget.

        `script` is what the exercise's checks asked an earlier submission, one after another.
        Unless it is the `last` one, the next exercise's worker is made ready meanwhile.
        """
        self._last = last
        # Before its worker is gone, which knows how long it had to wait.
        self._budget.begin_exercise()
        if self._exercise is not None:
            self._drop()
        self._exercise = exercise
        self._script = script
        self._position = None

    def begin_check(self, place: int | None = None) -> None:
        """Turn to another check; `place` is where it begins in the script, None if nowhere."""
        if place != self._position:
            # The check before it ended early.
            self._leave_script()
            self._position = place
        self._made = [] if place is None else None
        self._made_bytes = 0

    def end_check(self) -> Sequence[Request] | None:
        """What the check has asked; None if it has a place in the script."""
        made, self._made = self._made, None
        return made

    def call(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reply:
        """Call a function of the submission. Raises StudentFault."""
        limits = self._config.limits
        left = self._budget.left()
        if left <= 0:
            raise self._out_of_time()
        request = _request(function, args, kwargs)
        if self.one_by_one or not self._expects(request):
            self._leave_script()
        self.open()
        status = self._status.get(function, "missing")
        if status != "ok":
            raise StudentMissing(self._missing(function, status))
        if self._worker is None:
            raise SandboxError("the worker vanished between import and call")
        began = time.perf_counter()
        try:
            self._post(self._worker, request)
            return self._worker.take(timeout=min(limits.call_seconds, left))
        finally:
            self._budget.spend(time.perf_counter() - began)

    @property
    def timer(self) -> Timer | None:
        """What this exercise's functions are timed with, in workers of their own.

        None without a stand.
        """
        if self._stand is None or self._exercise is None:
            return None
        # Imports torch.
        from autograder.timing.timer import Timer

        # Whatever still runs in it would run beside what is timed.
        self._drop()
        seccomp = self._sandbox.layers.get("seccomp", "")
        timing = self._config.timing or Timing()
        return Timer(
            self._stand,
            self._timed_worker,
            timing.device.value,
            timing.thresholds_of(self._exercise.id),
            confined=seccomp.startswith("active") and not self._sandbox.limits.processes,
            call_seconds=self._config.limits.call_seconds,
        )

    def _timed_worker(self, function: str) -> TimedWorker:
        from autograder.sandbox.timed_worker import TimedWorker

        self._drop()
        self.open()
        worker, self._worker = self._worker, None
        if worker is None:
            raise SandboxError("the worker vanished between import and timing")
        status = self._status.get(function, "missing")
        if status != "ok":
            worker.close()
            raise StudentMissing(self._missing(function, status))
        return TimedWorker(worker)

    def _load(self) -> Load:
        # Imports torch.
        from autograder.sandbox.request import Load

        return Load(self._files, self._config.module, self._config.functions)

    def _expects(self, request: Request) -> bool:
        position = self._position
        return (
            position is not None
            and position < len(self._script)
            and self._script[position] == request
        )

    def _post(self, worker: Worker, request: Request) -> None:
        """See to it that the request is posted, and the next of the script with it."""
        posts = [] if worker.waiting else [request]
        if self._position is not None:
            known = self._position + max(worker.waiting, 1)
            if known - self._position <= _AHEAD // 2:
                for coming in self._script[known : self._position + _AHEAD]:
                    if self._status.get(coming.function) != "ok":
                        break
                    posts.append(coming)
            self._position += 1
        if self._made is not None:
            self._remember(request)
        if posts:
            worker.post(posts)

    def _remember(self, request: Request) -> None:
        if self._made is None:
            return
        self._made_bytes += request.size
        if request.lasting and self._made_bytes <= _SCRIPT_BYTES and not self.one_by_one:
            self._made.append(request)
        else:
            # Only a beginning without gaps is of use.
            self._made_bytes = _SCRIPT_BYTES

    def _leave_script(self) -> None:
        """Until a check begins that has a place in it, calls go one by one."""
        self._position = None
        if self._worker is not None and self._worker.waiting:
            began = time.perf_counter()
            self._worker.settle(_SETTLE_SECONDS)
            self._budget.spend(time.perf_counter() - began)

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
        if self._budget.whole:
            spent = f"the submission has used up its {limits.total_seconds:g} seconds"
        else:
            spent = (
                f"earlier checks of this exercise used up its {limits.exercise_seconds:g} seconds"
            )
        return StudentTimedOut(f"not run: {spent}")


def _request(function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Request:
    # Imports torch, which a grader that only starts its sandbox doesn't need yet.
    from autograder.sandbox.request import Request

    return Request.of(function, args, kwargs)
