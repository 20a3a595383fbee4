"""Grading on a Dask cluster: submissions travel as bytes, results as JSON.

The workers need the same autograder and the same libraries as this process (the same image is the
easy way), or they are refused. They don't need the course: where it isn't at the same path, the
assignment is shipped to them. A worker that is lost is replaced by its cluster, and its job runs
on another one.
"""

from __future__ import annotations

import json
import logging
import math
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course
from autograder.errors import AutograderError, GraderError, InputError
from autograder.pool import Job, Task, WorkerLost, grade_job
from autograder.regrade.fingerprint import (
    Fingerprint,
    environment,
    package_digest,
    take_fingerprint,
)
from autograder.regrade.lane import Lane, name_of
from autograder.regrade.shipment import pack, unpack
from autograder.result import Result
from autograder.sandbox import Isolation

__all__ = ["DaskEngine"]

_CONNECT_SECONDS = 30
_WORKERS_SECONDS = 120
_JOBS_PER_THREAD = 2
_FRESH_SECONDS = 2.0
_GPU = "GPU"
# Machines with and without a GPU grade together; where it matters is what they are asked for.
_MAY_DIFFER = frozenset({"gpu"})


@dataclass(frozen=True, slots=True)
class Order:
    """What every job of a run has in common."""

    root: str
    assignment: str
    isolation: str
    suite: str
    config: str
    package: str
    versions: Mapping[str, str]
    task: str


class DaskEngine:
    """The workers of a Dask scheduler, or of a cluster on this machine. Use as a context manager.

    `scheduler` is an address (`tcp://host:8786`); without it, `processes` local workers are
    started. Raises InputError if there is no scheduler, no worker, or a worker that isn't like us.
    """

    def __init__(
        self,
        assignment: Assignment,
        fingerprint: Fingerprint,
        scheduler: str | None = None,
        processes: int | None = None,
        *,
        isolation: Isolation = Isolation.AUTO,
        task: Task = grade_job,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._assignment = assignment
        self._say = say
        self._scheduler = scheduler
        self._processes = processes
        self._order = Order(
            root=str(assignment.handout.parent.parent),
            assignment=assignment.id,
            isolation=isolation.value,
            suite=fingerprint.suite,
            config=fingerprint.config,
            package=fingerprint.package,
            versions=dict(fingerprint.versions),
            task=name_of(task),
        )
        self._client: Any = None
        self._shipment: Any = None
        self._flights: dict[Future[Result], Any] = {}
        self._prefix = f"autograder-{uuid.uuid4().hex}"
        self._count = 0
        self._closing = ExitStack()
        self._known_workers: tuple[float, Mapping[str, Any]] = (-math.inf, {})

    def __enter__(self) -> Self:
        try:
            self._connect()
            self._introduce()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._flights:
            with suppress(Exception):
                self._client.cancel(list(self._flights.values()), force=True)
        self._closing.close()

    @property
    def slots(self) -> int:
        """Enough that no worker waits for us."""
        threads: int = sum(worker["nthreads"] for worker in self._workers().values())
        return max(1, _JOBS_PER_THREAD * threads)

    @property
    def times_apart(self) -> bool:
        """Whether only some of the workers have a GPU, so that timing is a stage of its own."""
        having = [_has_gpu(worker) for worker in self._workers().values()]
        return any(having) and not all(having)

    def submit(self, job: Job) -> Future[Result]:
        self._count += 1
        key = f"{self._prefix}-{self._count}"
        inner = self._client.submit(
            grade_remotely,
            self._order,
            self._shipment,
            key,
            {
                "submission": job.submission.to_bytes().decode(),
                "seed": job.seed,
                "only": job.only,
            },
            key=key,
            pure=False,
            **self._placement(job),
        )
        outer = Future[Result]()
        self._flights[outer] = inner
        inner.add_done_callback(lambda done: self._land(done, outer))
        return outer

    def abandon(self, future: Future[Result]) -> None:
        """End the process that is stuck with a job; its worker lives on."""
        inner = self._flights.get(future)
        if inner is None:
            return
        stuck = [w for w, keys in self._client.processing().items() if inner.key in keys]
        # If its worker is lost just now, Dask says so by itself.
        with suppress(Exception):
            self._client.run(end, inner.key, workers=stuck)

    def _connect(self) -> None:
        try:
            dask: Any = import_module("dask")
            distributed: Any = import_module("distributed")
        except ModuleNotFoundError:
            raise InputError(
                "--executor dask needs the package distributed; "
                "install it: pip install 'dl-autograder[cluster]'"
            ) from None
        # What a lost worker means is said by us, in one line.
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        target: Any = self._scheduler
        if target is None:
            # Of a submission that kills its worker, one more try is enough.
            self._closing.enter_context(
                dask.config.set({"distributed.scheduler.allowed-failures": 1})
            )
            with _deaf_children():
                target = self._closing.enter_context(
                    distributed.LocalCluster(
                        n_workers=self._processes,
                        threads_per_worker=1,
                        processes=True,
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,
                    )
                )
        try:
            self._client = self._closing.enter_context(
                distributed.Client(target, timeout=_CONNECT_SECONDS, set_as_default=False)
            )
            self._client.wait_for_workers(1, timeout=_WORKERS_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError(
                f"{self._scheduler or 'the local cluster'}: no Dask workers "
                f"({_one_line(error)}); check the scheduler's address, and start workers"
            ) from None

    def _introduce(self) -> None:
        """Ask every worker who it is, and decide where the course comes from."""
        answers = self._client.run(introduce, self._order, on_error="return")
        missing = [worker for worker, answer in answers.items() if answer == "no course"]
        for worker, answer in answers.items():
            if isinstance(answer, BaseException):
                raise InputError(
                    f"{worker}: this worker can't grade ({_one_line(answer)}); start it in the "
                    "same environment as this command, such as the grading image"
                )
            if answer not in ("", "no course"):
                raise InputError(f"{worker}: {answer}")
        if not missing:
            self._say(f"the course is on all {len(answers)} workers at {self._order.root}")
            return
        data = pack(self._assignment)
        # A task, not scattered data: if its worker is lost, Dask computes it again.
        self._shipment = self._client.submit(bytes, data, key=f"{self._prefix}-course", pure=False)
        self._say(
            f"the course was shipped to the workers ({len(data) / 1024:.0f} KiB): "
            f"{len(missing)} of {len(answers)} don't have it at {self._order.root}"
        )

    def _placement(self, job: Job) -> dict[str, Any]:
        workers = self._workers()
        having = [_has_gpu(worker) for worker in workers.values()]
        if job.gpu or (having and all(having)):
            return {"resources": {_GPU: 1}}
        if any(having):
            # A machine that measures must not be disturbed by what can run elsewhere.
            return {"workers": [name for name, w in workers.items() if not _has_gpu(w)]}
        return {}

    def _workers(self) -> Mapping[str, Any]:
        """The workers there are now, or were a moment ago: asking costs a round trip."""
        asked, workers = self._known_workers
        if time.monotonic() - asked > _FRESH_SECONDS:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
            self._known_workers = (time.monotonic(), workers)
        return workers

    def _land(self, inner: Any, outer: Future[Result]) -> None:
        self._flights.pop(outer, None)
        try:
            if inner.status == "finished":
                outer.set_result(Result.from_json(json.loads(inner.result())))
                return
            error = inner.exception() if inner.status == "error" else None
        except Exception as problem:
            error = problem
        if isinstance(error, AutograderError | WorkerLost):
            outer.set_exception(error)
        elif type(error).__name__ == "KilledWorker":
            # Dask itself has tried it on several workers.
            outer.set_exception(WorkerLost("every worker that graded it died", again=False))
        else:
            why = inner.status if error is None else f"{type(error).__name__}: {_one_line(error)}"
            outer.set_exception(WorkerLost(why))


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes started here leave Ctrl-C to us, instead of each printing a traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# --- on the workers -------------------------------------------------------------------------------

_checked: dict[tuple[str, str, str], str] = {}
_grading: dict[str, Lane] = {}
_here = threading.local()


def _lane(root: Path, assignment: str, isolation: str, task: str) -> Lane:
    """This thread's grader, which stays warm from one job to the next."""
    what = (root, assignment, isolation, task)
    if getattr(_here, "what", None) != what:
        if hasattr(_here, "lane"):
            _here.lane.close()
        _here.lane, _here.what = Lane(*what), what
    lane: Lane = _here.lane
    return lane


def introduce(order: Order) -> str:
    """What speaks against grading here: "" if nothing does, "no course" if it has to be shipped."""
    course = Course(Path(order.root))
    if not course.config(order.assignment).is_file():
        return _objection(order, None) or "no course"
    return _objection(order, course)


def grade_remotely(order: Order, shipment: bytes | None, key: str, job: Mapping[str, Any]) -> bytes:
    """Grade one job on a worker; the result as JSON. Raises GraderError if the worker differs."""
    course = Course(Path(order.root)) if shipment is None else unpack(shipment)
    place = (str(course.root), order.suite, order.package)
    if place not in _checked:
        # Workers may join long after the others were asked.
        _checked[place] = _objection(order, course)
    if _checked[place]:
        raise GraderError(_checked[place])
    lane = _lane(course.root, order.assignment, order.isolation, order.task)
    _grading[key] = lane
    try:
        return lane.grade(job)
    finally:
        del _grading[key]


def end(key: str) -> None:
    """End the process that grades a job on this worker."""
    lane = _grading.get(key)
    if lane is not None:
        lane.kill()


def _objection(order: Order, course: Course | None) -> str:
    """Why a grade from here would not be the grade that the other workers give; "" if it would."""
    versions = environment(order.isolation)
    for name in sorted({*versions, *order.versions} - _MAY_DIFFER):
        here, there = versions.get(name, "missing"), order.versions.get(name, "missing")
        if here != there:
            return (
                f"{name} is {here} on this worker and {there} where the regrade was started; "
                "use the same image or environment on both"
            )
    if package_digest() != order.package:
        return (
            "this worker has other code of autograder than the regrade was started with; "
            "use the same image or checkout on both"
        )
    if course is None:
        return ""
    try:
        found = take_fingerprint(load_assignment(course, order.assignment), order.isolation)
    except AutograderError as error:
        return f"the course on this worker can't be used: {error}"
    for part in ("suite", "config"):
        if getattr(found, part) != getattr(order, part):
            return (
                f"the {part} of {order.assignment} at {order.root} on this worker is not the one "
                "of this regrade; update the course there, or remove it and it will be shipped"
            )
    return ""


def _has_gpu(worker: Mapping[str, Any]) -> bool:
    return bool(worker.get("resources", {}).get(_GPU))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
