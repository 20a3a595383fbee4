"""`autograder doctor`: what this machine offers, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Finding", "examine"]

_PACKAGES = ("torch", "numpy", "pytest", "hypothesis", "gradescope-utils", "jaxtyping")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact: what, whether it is fine, and the next move if it isn't."""

    what: str
    fine: bool
    found: str
    advice: str = ""

    def line(self) -> str:
        mark = "ok  " if self.fine else "MISS"
        return f"{mark} {self.what:18} {self.found}" + (f"  → {self.advice}" if self.advice else "")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine() -> list[Finding]:
    """Everything that a grade on this machine depends on."""
    return [*_python(), *_packages(), *_course(), *_isolation(), *_machine(), _gpu()]


def _python() -> Iterator[Finding]:
    fine = sys.version_info >= (3, 11)
    found = f"{platform.python_version()} ({platform.system()} {platform.machine()})"
    yield Finding("python", fine, found, "" if fine else "install Python 3.11 or newer")


def _packages() -> Iterator[Finding]:
    for name in _PACKAGES:
        try:
            yield Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, "not installed", f"pip install -c constraints.txt {name}")


def _course() -> Iterator[Finding]:
    from autograder.course import find_course
    from autograder.errors import CourseError

    try:
        course = find_course()
    except CourseError as error:
        yield Finding("course", False, "none", str(error))
        return
    yield Finding("course", True, f"{', '.join(course.assignment_ids)} in {course.root}")


def _isolation() -> Iterator[Finding]:
    from autograder.sandbox import probe

    for layer, state in probe().items():
        active = state.startswith("active")
        found, _, advice = state.partition("; ")
        yield Finding(f"isolation {layer}", active, found, "" if active else advice)


def _machine() -> Iterator[Finding]:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    enough = pages >= 700
    yield Finding("memory", enough, f"{pages} MiB", "" if enough else "a grade needs about 600 MiB")
    yield Finding("cores", True, str(len(os.sched_getaffinity(0))))


def _gpu() -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("gpu", True, torch.cuda.get_device_name(0))
    return Finding("gpu", True, "none: kernel timing is not run here, everything else is")
