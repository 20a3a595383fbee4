"""Batches: a warm sandboxed grade beside the bare suite, and beside a fresh process each."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from autograder.assignment import load_assignment
from autograder.course import Course
from autograder.grade import Grader
from autograder.student import InProcess
from autograder.submission import Submission
from benchmarks.figure import Figure, best_of

ASSIGNMENT = "a1_operators"
ROUNDS = 5


def figures(root: Path) -> Iterator[Figure]:
    assignment = load_assignment(Course(root), ASSIGNMENT)
    path = assignment.solution / assignment.config.files[0]
    submission = Submission.from_files(assignment.solution_files)
    with Grader(assignment) as grader:
        module = InProcess(_load(path))
        grader.grade(submission)
        grader.grade_in_process(module)

        def sandboxed() -> None:
            result = grader.grade(submission)
            if result.score != result.max_score:
                raise RuntimeError(f"the solution got {result.score}")

        def fresh() -> None:
            command = [sys.executable, "-m", "benchmarks.batch", str(root), str(path)]
            subprocess.run(command, check=True, cwd=root)

        warm, bare = best_of(ROUNDS, sandboxed, lambda: grader.grade_in_process(module))
        (process,) = best_of(2, fresh)
    yield Figure(
        "batch: sandboxed grade ÷ the same suite warm, in-process",
        warm / bare,
        2.0,
        detail=f"{warm:.2f} s ÷ {bare:.2f} s per submission",
    )
    yield Figure(
        "batch: a fresh process per submission ÷ ours",
        process / warm,
        8.0,
        at_least=True,
        detail=f"{process:.2f} s ÷ {warm:.2f} s per submission",
    )


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{path} can't be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_once(root: Path, path: Path) -> None:
    """What a fresh process does: import everything, collect the suite, run it once."""
    with Grader(load_assignment(Course(root), ASSIGNMENT)) as grader:
        grader.grade_in_process(InProcess(_load(path)))


if __name__ == "__main__":
    run_once(Path(sys.argv[1]), Path(sys.argv[2]))
