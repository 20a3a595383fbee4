"""A course whose submissions are graded in no time, to try the machinery around the grading.

A submission is one file, `answer.py`, with a line per exercise (`alpha = 0.5`: that share of the
points). Its grade is a pure function of it. A few words make a grader misbehave: see `grade`.
"""

from __future__ import annotations

import os
import re
import signal
import time
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType

from autograder.assignment import Assignment, load_assignment
from autograder.config import Config
from autograder.course import Course
from autograder.outcome import Failure, Outcome
from autograder.pool import Job
from autograder.result import LEFT_OUT, CheckResult, ExerciseResult, Result, Status
from autograder.sandbox import Isolation

__all__ = ["ASSIGNMENT", "InlineEngine", "answer", "fell", "grade", "make_course", "task"]

ASSIGNMENT = "synthetic"
CHECKS = 6
EXERCISES = {"alpha": 50, "beta": 30, "gamma": 20}

_CONFIG = """\
title = "Synthetic"
files = ["answer.py"]

[limits]
total_seconds = {seconds}
"""
_EXERCISE = """
[[exercises]]
id = "{name}"
title = "{title}"
points = {points}
functions = ["{name}"]
"""


def make_course(root: Path, *, seconds: float = 5) -> Assignment:
    """Write a course with the synthetic assignment into `root`."""
    files = {
        f"grading_configs/{ASSIGNMENT}.toml": _CONFIG.format(seconds=seconds)
        + "".join(
            _EXERCISE.format(name=name, title=name.title(), points=points)
            for name, points in EXERCISES.items()
        ),
        f"suites/{ASSIGNMENT}/test_synthetic.py": "# graded by benchmarks/synthetic.py\n",
        f"solutions/{ASSIGNMENT}/answer.py": answer(1, 1, 1),
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return load_assignment(Course(root), ASSIGNMENT)


def answer(*shares: float, words: str = "") -> str:
    """The text of a submission that earns these shares of the exercises' points."""
    lines = [f"{name} = {share:g}" for name, share in zip(EXERCISES, shares, strict=False)]
    return "\n".join([*lines, f"# {words}", ""])


def grade(config: Config, job: Job) -> Result:
    """The grade of one job.

    In its text, `sleep 0.1` takes that long, `die` kills this process, `die-once FILE` does so only
    while FILE doesn't exist, `fault` is a fault of the grader, and `raise` an exception in it.
    """
    text = job.submission.files.get("answer.py", b"").decode()
    _misbehave(text)
    faulty = "fault" in text
    exercises = []
    for exercise in config.exercises:
        found = re.search(rf"^{exercise.id} = ([0-9.]+)$", text, re.MULTILINE)
        share = float(found[1]) if found else 0.0
        included = job.only is None or exercise.id in job.only
        most = exercise.points / CHECKS
        checks = tuple(
            _check(f"{exercise.id}/check_{i}", most, share * CHECKS > i, included, faulty)
            for i in range(CHECKS)
        )
        score = None if faulty and included else round(sum(c.score or 0.0 for c in checks), 2)
        exercises.append(
            ExerciseResult(exercise.id, exercise.title, score, exercise.points, checks)
        )
    scores = [exercise.score for exercise in exercises]
    whole = None if None in scores else round(sum(s for s in scores if s is not None), 2)
    return Result(
        assignment=config.id,
        title=config.title,
        status=Status.GRADER_ERROR if whole is None else Status.GRADED,
        score=whole,
        max_score=config.max_score,
        exercises=tuple(exercises),
        messages=job.submission.notes,
        versions={"autograder": "synthetic"},
        fault="it was told to fail" if faulty else None,
    )


def _check(name: str, most: float, passed: bool, included: bool, faulty: bool) -> CheckResult:
    most = round(most, 4)
    title = f"`{name}` does what it should for random inputs, shapes and upstream gradients"
    if not included:
        return CheckResult(name, title, Outcome.NOT_RUN, 0.0, most, failure=LEFT_OUT)
    if faulty:
        failure = Failure("not graded: a fault of the grader, not of your code")
        return CheckResult(name, title, Outcome.GRADER_ERROR, None, most, failure=failure)
    if passed:
        return CheckResult(name, title, Outcome.PASSED, most, most)
    failure = Failure(
        f"`{name}` returns something else",
        expected="0.25",
        actual="0.75",
        misconception=f"forgets_{name.partition('/')[0]}",
    )
    return CheckResult(name, title, Outcome.FAILED, 0.0, most, failure=failure)


def _misbehave(text: str) -> None:
    for seconds in re.findall(r"sleep ([0-9.]+)", text):
        time.sleep(float(seconds))
    for name in re.findall(r"die-once (\S+)", text):
        marker = Path(name)
        if not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    if re.search(r"\bdie\b(?!-)", text):
        os.kill(os.getpid(), signal.SIGKILL)
    if "raise" in text:
        raise OSError("it was told to raise")


def task(root: Path, assignment_id: str, isolation: Isolation, job: Job) -> Result:
    """What a process of a LocalEngine runs instead of a real grader."""
    return grade(load_assignment(Course(root), assignment_id).config, job)


def fell(root: Path, assignment_id: str, isolation: Isolation, job: Job) -> Result:
    """A grader that takes the process around it along."""
    os.kill(os.getppid(), signal.SIGKILL)
    return task(root, assignment_id, isolation, job)


class InlineEngine:
    """An engine that grades in this process, at once; it counts what it was asked to grade."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.jobs: list[Job] = []

    slots = 1
    times_apart = False

    def __enter__(self) -> InlineEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def submit(self, job: Job) -> Future[Result]:
        self.jobs.append(job)
        future: Future[Result] = Future()
        future.set_result(grade(self._config, job))
        return future

    def abandon(self, future: Future[Result]) -> None:
        pass
