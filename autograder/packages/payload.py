"""What the grader takes along to another machine: its package and the course's staff files.

The same layout serves the image and every uploaded archive, below /opt/autograder there:

    lib/autograder/…            the package, without suites
    course/grading_configs/     the chosen assignments' TOML
    course/suites/<id>/         their hidden suites
    course/solutions/<id>/      the modules that hints are looked up with
    course/assignment           the id, if there is just one
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from autograder.config import load_config
from autograder.course import Course, find_course
from autograder.errors import CourseError, InputError

__all__ = [
    "ASSIGNMENT_FILE",
    "chosen_assignments",
    "main",
    "payload",
    "staff_files",
    "write_payload",
]

ASSIGNMENT_FILE = "assignment"
_PACKAGE = Path(__file__).resolve().parent.parent


def payload(course: Course, ids: Sequence[str]) -> dict[str, bytes]:
    """Path below /opt/autograder -> content, sorted. Raises CourseError or ConfigError."""
    found: dict[str, bytes] = {}
    for path, name in _files(_PACKAGE, "lib/autograder"):
        if not name.startswith("lib/autograder/suites/"):
            found[name] = path.read_bytes()
    found |= staff_files(course, ids)
    if len(ids) == 1:
        found[f"course/{ASSIGNMENT_FILE}"] = f"{ids[0]}\n".encode()
    return dict(sorted(found.items()))


def staff_files(course: Course, ids: Sequence[str]) -> dict[str, bytes]:
    """The part of a payload that is the course's own."""
    return {k: v for name in ids for k, v in _staff_files(course, course.require(name)).items()}


def write_payload(files: dict[str, bytes], folder: Path) -> None:
    """Write a payload below `folder`."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def chosen_assignments(course: Course, text: str) -> list[str]:
    """`all`, or ids with commas between them. Raises CourseError."""
    if text == "all":
        return list(course.assignment_ids)
    return [course.require(name.strip()) for name in text.split(",")]


def _staff_files(course: Course, assignment_id: str) -> dict[str, bytes]:
    config = load_config(course.config(assignment_id))
    suite = course.suite(assignment_id)
    if not suite.is_dir():
        raise CourseError(f"{suite}: there is no suite; {assignment_id} can't be graded without")
    found = {f"course/grading_configs/{assignment_id}.toml": config.digest_source}
    for path, name in _files(suite, f"course/suites/{assignment_id}"):
        found[name] = path.read_bytes()
    # Hints are found by comparing with known mistakes, which are written against the solution.
    for path in sorted(course.solution(assignment_id).glob("*.py")):
        if path.name != "test_public.py":
            found[f"course/solutions/{assignment_id}/{path.name}"] = path.read_bytes()
    return found


def _files(folder: Path, prefix: str) -> Iterator[tuple[Path, str]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in relative.parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            yield path, f"{prefix}/{relative.as_posix()}"


def main() -> None:
    """`ASSIGNMENT FOLDER`: lay out a payload, for the Dockerfile."""
    assignment, folder = sys.argv[1:]
    try:
        course = find_course()
        files = payload(course, chosen_assignments(course, assignment))
    except InputError as error:
        sys.exit(f"autograder: {error}")
    write_payload(files, Path(folder))


if __name__ == "__main__":
    main()
