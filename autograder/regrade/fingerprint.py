"""What a grade depends on beside the submission, as four digests: so that a change has a cause."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

import autograder
from autograder.assignment import Assignment
from autograder.config import Config
from autograder.submission import Submission

__all__ = [
    "COMPONENTS",
    "Fingerprint",
    "digest_submission",
    "environment",
    "package_digest",
    "take_fingerprint",
]

COMPONENTS = ("suite", "config", "package", "environment")
"""The parts of a fingerprint, in the order in which they are named as causes."""

_PACKAGE = Path(autograder.__file__).parent
# What shows, moves or stores results, or makes handouts: no grade depends on it.
_WITHOUT_INFLUENCE = frozenset(
    {"cli", "regrade", "reports", "suites", "candidates.py", "doctor.py", "handout.py"}
    | {
        "handouts.py",
        "merging.py",
        "packages",
        "platforms",
        "pool.py",
        "public_checks.py",
        "selfcheck.py",
    }
)
_LIBRARIES = ("torch", "numpy", "pytest", "hypothesis", "triton", "gradescope-utils")
_GPU_NODES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Four SHA-256 digests in hexadecimal; `versions` is the environment in words."""

    suite: str
    config: str
    package: str
    environment: str
    versions: Mapping[str, str] = field(hash=False, compare=False)

    def differences(self, other: Fingerprint) -> tuple[str, ...]:
        """The names of the components that are not the same."""
        return tuple(name for name in COMPONENTS if getattr(self, name) != getattr(other, name))


def take_fingerprint(assignment: Assignment, isolation: str) -> Fingerprint:
    """The fingerprint of grading this assignment here and now; needs no torch.

    The suite counts with the solution that it may use as a baseline and with the known
    misconceptions, whose hints are part of a result. Of the config, comments don't count, and
    neither does what is applied to scores afterwards (the late policy).
    """
    versions = environment(isolation)
    return Fingerprint(
        suite=_digest(_suite_parts(assignment)),
        config=_digest([("config", _grading_part(assignment.config))]),
        package=package_digest(),
        environment=_digest([("environment", json.dumps(versions, sort_keys=True).encode())]),
        versions=versions,
    )


def digest_submission(submission: Submission) -> str:
    """Its content, and what was noted while it was read: the notes are part of a result."""
    notes = json.dumps([submission.missing, submission.notes]).encode()
    return _digest([("files", submission.digest.encode()), ("notes", notes)])


def environment(isolation: str) -> dict[str, str]:
    """Versions, machine and isolation, without importing what is named."""
    found = {
        "autograder": autograder.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "isolation": isolation,
        "gpu": "yes" if any(map(os.path.exists, _GPU_NODES)) else "no",
    }
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _suite_parts(assignment: Assignment) -> Iterable[tuple[str, bytes]]:
    for folder in (assignment.suite, assignment.solution):
        for path in sorted(folder.rglob("*.py")):
            if path.is_file():
                yield path.relative_to(folder.parent).as_posix(), path.read_bytes()


def _grading_part(config: Config) -> bytes:
    fields = asdict(config)
    for name in ("digest_source", "late"):
        fields.pop(name, None)
    return json.dumps(fields, sort_keys=True, default=str).encode()


@cache
def package_digest() -> str:
    """A digest of the code of autograder that grades."""
    paths = (path.relative_to(_PACKAGE) for path in sorted(_PACKAGE.rglob("*.py")))
    return _digest(
        (path.as_posix(), (_PACKAGE / path).read_bytes())
        for path in paths
        if path.parts[0] not in _WITHOUT_INFLUENCE
    )


def _digest(parts: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over names and contents, each behind its length so that no two can merge."""
    total = hashlib.sha256()
    for name, content in parts:
        for piece in (name.encode(), content):
            total.update(len(piece).to_bytes(8, "big") + piece)
    return total.hexdigest()
