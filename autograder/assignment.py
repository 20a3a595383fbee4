"""An assignment as the grader uses it: config, suite, solution and known misconceptions."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from autograder.config import Config, load_config
from autograder.course import Course
from autograder.errors import CourseError
from autograder.misconceptions import Misconception, load_misconceptions

__all__ = ["Assignment", "load_assignment"]


@dataclass(frozen=True)
class Assignment:
    """Everything that belongs to one assignment id."""

    config: Config
    suite: Path
    solution: Path
    handout: Path

    @property
    def id(self) -> str:
        return self.config.id

    @cached_property
    def solution_files(self) -> dict[str, bytes]:
        """The reference solution as a submission. Raises CourseError if a file is missing."""
        files = {}
        for name in self.config.files:
            path = self.solution / name
            if not path.is_file():
                raise CourseError(f"{path}: the solution's file is missing; add it")
            files[name] = path.read_bytes()
        return files

    @cached_property
    def misconceptions(self) -> tuple[Misconception, ...]:
        """The known wrong ideas; none if the course ships without its solutions."""
        path = self.solution / "misconceptions.py"
        if not path.is_file():
            return ()
        modules = {name.removesuffix(".py"): self.solution / name for name in self.config.files}
        return load_misconceptions(path, modules)

    @cached_property
    def digest(self) -> str:
        """Changes whenever a grade could: config, suite, misconceptions."""
        digest = hashlib.sha256(self.config.digest_source)
        for path in (*sorted(self.suite.rglob("*.py")), self.solution / "misconceptions.py"):
            if path.is_file():
                digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
        return digest.hexdigest()


def load_assignment(course: Course, assignment_id: str) -> Assignment:
    """Read an assignment. Raises CourseError or ConfigError."""
    course.require(assignment_id)
    return Assignment(
        config=load_config(course.config(assignment_id)),
        suite=course.suite(assignment_id),
        solution=course.solution(assignment_id),
        handout=course.handout(assignment_id),
    )
