"""Handouts of a course: generated from its solutions, checked for drift, zipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from autograder.assignment import load_assignment
from autograder.course import Course
from autograder.handout import REQUIREMENTS, build_handout, drift, write_handout, zip_handout

__all__ = ["check_handout", "make_handout"]

_OF_PACKAGES = {"triton": "triton>=3.9,<3.10"}
"""What students install beyond the usual, by the package that the policy lets them import."""


def check_handout(course: Course, assignment_id: str) -> list[str]:
    """One line per file of the handout that is not what the solution would generate."""
    return drift(course.handout(assignment_id), _files(course, assignment_id))


def make_handout(course: Course, assignment_id: str, archive: Path | None = None) -> list[str]:
    """Generate the handout (and zip it into the folder `archive`); what was done, in lines."""
    files = _files(course, assignment_id)
    folder = course.handout(assignment_id)
    notes = write_handout(folder, files)
    lines = [f"{assignment_id}: {len(files)} files in {folder}", *notes]
    if archive is not None:
        archive.mkdir(parents=True, exist_ok=True)
        path = archive / f"{assignment_id}.zip"
        zip_handout(files, path, assignment_id)
        lines.append(f"{assignment_id}: {path}")
    return lines


def _files(course: Course, assignment_id: str) -> Mapping[str, bytes]:
    assignment = load_assignment(course, assignment_id)
    packages = assignment.config.policy.packages
    further = [line for package, line in _OF_PACKAGES.items() if package in packages]
    return build_handout(
        assignment.solution,
        files=assignment.config.files,
        assignment_id=assignment_id,
        title=assignment.config.title,
        requirements=(*REQUIREMENTS, *further),
    )
