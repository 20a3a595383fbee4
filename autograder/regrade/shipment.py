"""One assignment of a course as bytes, for machines that don't have the course."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from autograder.assignment import Assignment
from autograder.course import Course

__all__ = ["pack", "unpack"]


def pack(assignment: Assignment) -> bytes:
    """Config, suite and solution, as a zip of a course that holds nothing else.

    The same files make the same bytes. It contains the hidden tests: send it to graders only.
    """
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _files(assignment):
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def unpack(data: bytes) -> Course:
    """The course that `pack` packed, in a folder that only we can read, until this process ends."""
    return Course(Path(_unpack(data).name))


@cache
def _unpack(data: bytes) -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="autograder-course-")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder.name)
    return folder


def _files(assignment: Assignment) -> Iterator[tuple[str, bytes]]:
    yield f"grading_configs/{assignment.id}.toml", assignment.config.digest_source
    folders = (("suites", assignment.suite), ("solutions", assignment.solution))
    for kind, folder in folders:
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if path.is_file() and "__pycache__" not in relative.parts:
                yield f"{kind}/{assignment.id}/{relative.as_posix()}", path.read_bytes()
