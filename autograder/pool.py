"""Warm graders in several processes: one grader per process, one submission at a time in each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from autograder.config import Config
from autograder.course import Course
from autograder.errors import AutograderError, GraderError
from autograder.result import ExerciseResult, Result, Status
from autograder.sandbox import Isolation
from autograder.submission import Submission

if TYPE_CHECKING:
    from autograder.grade import Grader

__all__ = ["Engine", "Job", "LocalEngine", "Task", "WorkerLost", "grade_all", "grade_with"]

MAX_PROCESSES = 64
_POLL_SECONDS = 1.0
_LOST_IN_A_ROW = 5
_START_SECONDS = 10.0
_GRACE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """One submission to grade: `name` comes back with its result.

    `gpu`: it needs a worker with a GPU of its own.
    """

    name: str
    submission: Submission
    seed: int = 0
    only: tuple[str, ...] | None = None
    gpu: bool = False


class WorkerLost(Exception):
    """The process that was grading a job ended, or had to be ended, without a result.

    `again`: another try may go better.
    """

    def __init__(self, why: str, *, again: bool = True) -> None:
        super().__init__(why)
        self.again = again


class Engine(Protocol):
    """Grades jobs somewhere else.

    `slots` jobs are kept in flight, at most. The future of a job yields its result; it raises
    WorkerLost if the job was lost and another try makes sense, and AutograderError if no job could
    be graded. `abandon` ends whatever is working on a job that takes too long. Where timing
    happens on other machines than grading, `times_apart`: jobs with `gpu` go there.
    """

    @property
    def slots(self) -> int: ...

    @property
    def times_apart(self) -> bool: ...

    def submit(self, job: Job) -> Future[Result]: ...

    def abandon(self, future: Future[Result]) -> None: ...


@dataclass(slots=True)
class _Flight:
    job: Job
    deadline: float
    tries: int = 1
    overdue: bool = False


def grade_with(
    engine: Engine, jobs: Iterable[Job | None], config: Config, *, patience: float | None = None
) -> Iterator[tuple[Job, Result]]:
    """Grade all jobs, yielding each result as it comes; jobs are taken only as slots get free.

    None instead of a job asks for the results that are there, without waiting. A job whose worker
    is lost, or that takes longer than `patience` seconds (default: from the config's limits), is
    tried once more; then its result says that the grader was at fault. Raises AutograderError if
    nothing can be graded at all.
    """
    limit = patience or 60 + 4 * config.limits.total_seconds
    flights: dict[Future[Result], _Flight] = {}
    losses = 0

    def launch(job: Job, tries: int = 1) -> None:
        flights[engine.submit(job)] = _Flight(job, time.monotonic() + limit, tries)

    def landed(timeout: float) -> Iterator[tuple[Job, Result]]:
        nonlocal losses
        done, _ = wait(flights, timeout, FIRST_COMPLETED)
        for future in done:
            flight = flights.pop(future)
            try:
                result = future.result()
            except WorkerLost as error:
                if flight.tries == 1 and error.again:
                    launch(flight.job, tries=2)
                    continue
                losses += 1
                why = f"it took longer than {limit:g} seconds" if flight.overdue else str(error)
                if losses == _LOST_IN_A_ROW:
                    raise GraderError(
                        f"{losses} submissions in a row could not be graded; the last: {why}"
                    ) from None
                result = lost(config, f"tried twice: {why}")
            else:
                losses = 0
            yield flight.job, result
        now = time.monotonic()
        for future, flight in list(flights.items()):
            if now > flight.deadline and not flight.overdue:
                flight.overdue = True
                engine.abandon(future)
            elif now > flight.deadline + _GRACE_SECONDS:
                # It can't even be ended (a machine that doesn't answer): the others go on.
                del flights[future]
                yield flight.job, lost(config, "it took too long, and could not be ended")

    for job in jobs:
        if job is not None:
            launch(job)
        if flights:
            yield from landed(0)
        while len(flights) >= engine.slots:
            yield from landed(_POLL_SECONDS)
    while flights:
        yield from landed(_POLL_SECONDS)


def lost(config: Config, fault: str) -> Result:
    """The result of a submission whose grader was lost: no score."""
    exercises = (ExerciseResult(e.id, e.title, None, e.points, ()) for e in config.exercises)
    return Result(
        assignment=config.id,
        title=config.title,
        status=Status.GRADER_ERROR,
        score=None,
        max_score=config.max_score,
        exercises=tuple(exercises),
        feedback=config.feedback,
        visibility=config.visibility,
        fault=fault,
    )


def grade_all(
    course: Course,
    assignment_id: str,
    jobs: Iterable[Job],
    *,
    processes: int | None = None,
    isolation: Isolation = Isolation.AUTO,
) -> Iterator[tuple[Job, Result]]:
    """Grade all jobs, yielding each result as it comes; one process per core by default.

    With one process they are graded in this one.
    """
    from autograder.config import load_config

    count = processes or os.cpu_count() or 1
    if count == 1:
        try:
            for job in jobs:
                yield job, grade_job(course.root, assignment_id, isolation, job)
        finally:
            close_graders()
        return
    config = load_config(course.config(course.require(assignment_id)))
    with LocalEngine(course, assignment_id, processes=count, isolation=isolation) as engine:
        yield from grade_with(engine, jobs, config)


# --- in the process that grades -------------------------------------------------------------------

_graders: dict[tuple[Path, str, Isolation], Grader] = {}
# A grader is not made for two threads, and a cluster's worker may have several.
_one_at_a_time = threading.Lock()


def grade_job(root: Path, assignment_id: str, isolation: Isolation, job: Job) -> Result:
    """Grade one job with this process's warm grader (made on first use)."""
    from autograder.assignment import load_assignment
    from autograder.grade import Grader

    key = (root, assignment_id, isolation)
    with _one_at_a_time:
        if key not in _graders:
            grader = Grader(load_assignment(Course(root), assignment_id), isolation)
            _graders[key] = grader.__enter__()
        return _graders[key].grade(job.submission, seed=job.seed, only=job.only)


def close_graders() -> None:
    """Close this process's graders."""
    while _graders:
        _graders.popitem()[1].close()


# --- local processes ------------------------------------------------------------------------------

Task = Callable[[Path, str, Isolation, Job], Result]


@dataclass(slots=True)
class _Lane:
    """One process, as a pool of its own: if it breaks, we know which job broke it."""

    pool: ProcessPoolExecutor
    pid: Future[int]
    job: Future[Result] | None = None

    @property
    def free(self) -> bool:
        return self.job is None or self.job.done()

    @property
    def broken(self) -> bool:
        return self.job is not None and self.job.done() and _lost(self.job)

    def kill(self) -> None:
        # Never the number of a process that has ended: it may be another's by now.
        if not self.broken:
            with contextlib.suppress(Exception):
                os.kill(self.pid.result(timeout=_START_SECONDS), signal.SIGKILL)


class LocalEngine:
    """Processes on this machine, one per core by default. Use it as a context manager.

    A process is started when there is a job for it and lives on; one that dies takes nothing but
    its job with it. They die with this process, however it ends.
    """

    def __init__(
        self,
        course: Course,
        assignment_id: str,
        *,
        processes: int | None = None,
        isolation: Isolation = Isolation.AUTO,
        task: Task = grade_job,
    ) -> None:
        self._where = (course.root, assignment_id, isolation)
        self._task = task
        self._slots = max(1, min(processes or os.cpu_count() or 1, MAX_PROCESSES))
        self._lanes: list[_Lane] = []

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def times_apart(self) -> bool:
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for lane in self._lanes:
            if error is not None:
                lane.kill()
            lane.pool.shutdown(wait=True, cancel_futures=True)
        self._lanes.clear()

    def submit(self, job: Job) -> Future[Result]:
        while True:
            lane = self._free_lane()
            try:
                inner = lane.pool.submit(self._task, *self._where, job)
                break
            except BrokenProcessPool:  # it died between two jobs
                self._lanes.remove(lane)
        lane.job = outer = Future[Result]()
        inner.add_done_callback(lambda done: _pass_on(done, outer))
        return outer

    def abandon(self, future: Future[Result]) -> None:
        for lane in self._lanes:
            if lane.job is future:
                lane.kill()

    def _free_lane(self) -> _Lane:
        for lane in [lane for lane in self._lanes if lane.broken]:
            lane.pool.shutdown(wait=False)
            self._lanes.remove(lane)
        for lane in self._lanes:
            if lane.free:
                return lane
        # Fork would copy torch's threads in an unknown state; spawn starts clean.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, mp_context=context, initializer=_settle_in)
        self._lanes.append(_Lane(pool, pool.submit(os.getpid)))
        return self._lanes[-1]


def _pass_on(inner: Future[Result], outer: Future[Result]) -> None:
    error = WorkerLost("it was cancelled") if inner.cancelled() else inner.exception()
    if error is None:
        outer.set_result(inner.result())
    elif isinstance(error, AutograderError):
        outer.set_exception(error)
    elif isinstance(error, BrokenProcessPool):
        outer.set_exception(WorkerLost("the process that graded it died"))
    else:
        outer.set_exception(WorkerLost(f"{type(error).__name__}: {error}"))


def _lost(future: Future[Result]) -> bool:
    return isinstance(future.exception(), WorkerLost)


def _settle_in() -> None:
    """Leave Ctrl-C to the parent, and don't outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_die_with, args=(parent.sentinel,), daemon=True).start()


def _die_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)
