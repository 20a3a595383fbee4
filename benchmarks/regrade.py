"""Regrading: what is known costs nearly nothing, and the ten-thousandth as much as the first."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course
from autograder.pool import Engine, Job, LocalEngine, grade_with
from autograder.regrade.batch import regrade
from autograder.regrade.fingerprint import take_fingerprint
from autograder.regrade.records import Plan
from autograder.regrade.sources import open_source
from autograder.regrade.store import Store
from autograder.sandbox import Isolation
from autograder.submission import Submission
from benchmarks import synthetic
from benchmarks.figure import Figure

SUBMISSIONS = 10_000
BLOCK = 100
JOBS = 300
REAL = "a1_operators"
REAL_EXERCISES = ("linear", "bias", "broadcasting")
REAL_JOBS = 16


def figures(root: Path) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assignment = synthetic.make_course(folder / "course")
        _hand_in(folder / "cohort")
        yield from _ten_thousand(folder, assignment)
        yield from _dask(folder, assignment)
    yield from _two_cores(root)


def _hand_in(cohort: Path) -> None:
    for i in range(SUBMISSIONS):
        student = cohort / f"student{i:05d}"
        student.mkdir(parents=True)
        text = synthetic.answer(i % 7 / 6, i % 5 / 4, i % 3 / 2, words=f"submission {i}")
        (student / "answer.py").write_text(text)


def _ten_thousand(folder: Path, assignment: Assignment) -> Iterator[Figure]:
    """The cost of reading, comparing and storing, with grading itself next to free."""
    engine = synthetic.InlineEngine(assignment.config)
    marks: list[tuple[float, float]] = []
    done = 0

    def watch(student: str, count: int) -> None:
        nonlocal done
        done += count
        if done % BLOCK == 0:
            marks.append((time.process_time(), _resident_mib()))
            engine.jobs.clear()

    _run(folder, assignment, engine, watch)
    blocks = [(after[0] - before[0]) / BLOCK for before, after in pairwise(marks)]
    # The best of ten blocks each: a slow moment of the machine is not our growth.
    first, last = min(blocks[:10]), min(blocks[-10:])
    yield Figure(
        f"{SUBMISSIONS:,} submissions: cost of the last thousand ÷ the first",
        last / first,
        1.05,
        detail=f"{first * 1e3:.2f} ms → {last * 1e3:.2f} ms of CPU each",
    )
    begin, end = marks[9][1], marks[-1][1]
    size = sum(path.stat().st_size for path in folder.glob("grades.db*"))
    yield Figure(
        f"{SUBMISSIONS:,} submissions: memory, growth after the first thousand",
        end - begin,
        4.0,
        unit=" MiB",
        detail=f"{end:.0f} MiB in the end; the store has {size / 2**20:.0f} MiB, "
        f"{size / SUBMISSIONS / 1024:.1f} KiB a submission",
    )
    began = time.perf_counter()
    engine = synthetic.InlineEngine(assignment.config)
    _run(folder, assignment, engine, lambda student, count: None)
    seconds = time.perf_counter() - began
    if engine.jobs:
        raise RuntimeError(f"{len(engine.jobs)} known submissions were graded")
    yield Figure(
        "nothing changed: submissions per second, reading included",
        SUBMISSIONS / seconds,
        1000.0,
        unit="/s",
        at_least=True,
        detail=f"{SUBMISSIONS:,} in {seconds:.1f} s",
    )


def _run(
    folder: Path, assignment: Assignment, engine: Engine, watch: Callable[[str, int], None]
) -> None:
    source = open_source(folder / "cohort", assignment.config.files, max_bytes=2**16)
    # Somebody may be editing the package meanwhile, which is a reason to grade again.
    fingerprint = replace(take_fingerprint(assignment, "none"), package="the same")
    plan = Plan(assignment.config, fingerprint, "cohort")
    with Store(folder / "grades.db", write=True) as store:
        regrade(store, plan, source, lambda: nullcontext(engine), watch=watch)


def _dask(folder: Path, assignment: Assignment) -> Iterator[Figure]:
    """The same jobs through two local Dask workers and in this process."""
    from autograder.regrade.cluster import DaskEngine

    fingerprint = take_fingerprint(assignment, "none")
    jobs = [_job(i) for i in range(JOBS)]
    with DaskEngine(
        assignment, fingerprint, None, 2, isolation=Isolation.NONE, task=synthetic.task
    ) as engine:
        _drain(engine, assignment, jobs[:20])
        seconds = _drain(engine, assignment, jobs)
    bare = _drain(synthetic.InlineEngine(assignment.config), assignment, jobs)
    yield Figure(
        "Dask's overhead per submission",
        (seconds - bare) / JOBS * 1e3,
        20.0,
        unit=" ms",
        detail=f"{JOBS} submissions in {seconds:.1f} s through two workers, {bare:.2f} s without",
    )


def _two_cores(root: Path) -> Iterator[Figure]:
    """Real grading on one core and on two.

    One core, not one process: a grader and its worker use two if they are there.
    """
    course = Course(root)
    assignment = load_assignment(course, REAL)
    submission = Submission.from_files(assignment.solution_files)
    jobs = [Job(str(i), submission, only=REAL_EXERCISES) for i in range(REAL_JOBS)]
    seconds = []
    cores = sorted(os.sched_getaffinity(0))
    for processes in (1, 2):
        # Processes that are started from here on inherit it.
        os.sched_setaffinity(0, cores[:processes])
        try:
            with LocalEngine(course, REAL, processes=processes) as engine:
                _drain(engine, assignment, jobs[: 2 * processes])
                seconds.append(_drain(engine, assignment, jobs))
        finally:
            os.sched_setaffinity(0, cores)
    yield Figure(
        "two cores: speed ÷ one core's",
        seconds[0] / seconds[1],
        1.8,
        at_least=True,
        detail=f"{seconds[0] / REAL_JOBS:.2f} s → {seconds[1] / REAL_JOBS:.2f} s per submission; "
        f"{os.cpu_count()} cores here",
    )


def _job(number: int) -> Job:
    text = synthetic.answer(number % 7 / 6, words=f"submission {number}")
    return Job(str(number), Submission.from_files({"answer.py": text.encode()}))


def _drain(engine: Engine, assignment: Assignment, jobs: list[Job]) -> float:
    began = time.perf_counter()
    for _, result in grade_with(engine, jobs, assignment.config):
        if result.fault is not None:
            raise RuntimeError(result.fault)
    return time.perf_counter() - began


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20
