"""Warm graders in several processes: one grader per process, many submissions each."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from autograder.assignment import load_assignment
from autograder.course import Course
from autograder.grade import Grader
from autograder.result import Result
from autograder.sandbox import Isolation
from autograder.submission import Submission

__all__ = ["Job", "grade_all"]


@dataclass(frozen=True, slots=True)
class Job:
    """One submission to grade: `name` comes back with its result."""

    name: str
    submission: Submission
    seed: int = 0
    only: tuple[str, ...] | None = None


_graders: dict[tuple[Path, str, Isolation], Grader] = {}


def grade_job(root: Path, assignment_id: str, isolation: Isolation, job: Job) -> Result:
    """Grade one job with this process's warm grader (made on first use)."""
    key = (root, assignment_id, isolation)
    if key not in _graders:
        grader = Grader(load_assignment(Course(root), assignment_id), isolation)
        _graders[key] = grader.__enter__()
    return _graders[key].grade(job.submission, seed=job.seed, only=job.only)


def close_graders() -> None:
    """Close this process's graders."""
    while _graders:
        _graders.popitem()[1].close()


def grade_all(
    course: Course,
    assignment_id: str,
    jobs: Iterable[Job],
    *,
    processes: int | None = None,
    isolation: Isolation = Isolation.AUTO,
) -> Iterator[tuple[Job, Result]]:
    """Grade all jobs, yielding each result as it comes; one process per core by default."""
    count = min(processes or os.cpu_count() or 1, 64)
    if count == 1:
        try:
            for job in jobs:
                yield job, grade_job(course.root, assignment_id, isolation, job)
        finally:
            close_graders()
        return
    # Fork would copy torch's threads in an unknown state; spawn starts clean.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=context) as executor:
        yield from _submit_all(executor, course, assignment_id, isolation, jobs)


def _submit_all(
    executor: Executor,
    course: Course,
    assignment_id: str,
    isolation: Isolation,
    jobs: Iterable[Job],
) -> Iterator[tuple[Job, Result]]:
    waiting: dict[Future[Result], Job] = {}
    for job in jobs:
        future = executor.submit(grade_job, course.root, assignment_id, isolation, job)
        waiting[future] = job
    for future in as_completed(waiting):
        yield waiting[future], future.result()
