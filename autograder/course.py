"""Where the parts of an assignment are: the only path arithmetic in the package."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError

__all__ = ["Course", "find_course"]

COURSE_VARIABLE = "AUTOGRADER_COURSE"
_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class Course:
    """A folder with `grading_configs/`, `solutions/` and `assignments/`.

    The hidden suites lie in the package (`autograder/suites`), or in the course's own `suites/`
    where a course keeps its own.
    """

    root: Path

    @property
    def assignment_ids(self) -> tuple[str, ...]:
        """The ids of all assignments that have a grading config, sorted."""
        return tuple(sorted(path.stem for path in (self.root / "grading_configs").glob("*.toml")))

    def require(self, assignment_id: str) -> str:
        """`assignment_id` itself if it exists. Raises CourseError with the closest match."""
        known = self.assignment_ids
        if assignment_id in known:
            return assignment_id
        raise CourseError(
            f"no assignment {assignment_id!r} in {self.root / 'grading_configs'}; "
            + suggestion(assignment_id, known)
        )

    def config(self, assignment_id: str) -> Path:
        return self.root / "grading_configs" / f"{assignment_id}.toml"

    def solution(self, assignment_id: str) -> Path:
        return self.root / "solutions" / assignment_id

    def handout(self, assignment_id: str) -> Path:
        return self.root / "assignments" / assignment_id

    def suite(self, assignment_id: str) -> Path:
        own = self.root / "suites" / assignment_id
        return own if own.is_dir() else _PACKAGE / "suites" / assignment_id


def find_course(start: Path | None = None) -> Course:
    """The course around `start` (default: the working directory).

    $AUTOGRADER_COURSE wins; else the nearest folder upwards that has `grading_configs/`; else the
    checkout that this package runs from. Raises CourseError.
    """
    named = os.environ.get(COURSE_VARIABLE)
    if named:
        root = Path(named)
        if not (root / "grading_configs").is_dir():
            raise CourseError(
                f"${COURSE_VARIABLE} is {named}, which has no grading_configs/; "
                "point it at the course's folder"
            )
        return Course(root.resolve())
    here = (Path.cwd() if start is None else start).resolve()
    for folder in (here, *here.parents, _PACKAGE.parent):
        if (folder / "grading_configs").is_dir():
            return Course(folder)
    raise CourseError(
        f"no course found: neither {here} nor a folder above it has grading_configs/; "
        f"change into the course's folder or set ${COURSE_VARIABLE}"
    )


def suggestion(name: str, known: Sequence[str]) -> str:
    """`did you mean …?`, or what there is."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there is {', '.join(known)}" if known else "there is none"
