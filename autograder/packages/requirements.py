"""The exact versions that this grader runs with here, for the machine that it will run on."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator, Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from autograder.errors import InputError

__all__ = ["constraints", "extra_for", "extra_packages", "requirements"]

DISTRIBUTION = "dl-autograder"
_TRITON = re.compile(rb"^\s*(?:import|from)\s+triton\b", re.MULTILINE)


def requirements(extra: str = "") -> str:
    """What the grader itself needs, as a requirements file. Raises InputError."""
    return _lines(f"{found.name}{found.specifier}" for found in _direct(extra))


def extra_for(files: Mapping[str, bytes]) -> str:
    """The extra of ours that an assignment's modules need: `kernels` if they import triton."""
    return "kernels" if any(_TRITON.search(content) for content in files.values()) else ""


def extra_packages(extra: str) -> str:
    """What an extra adds to the grader's own requirements, on one line. Raises InputError."""
    own = {found.name for found in _direct()}
    return " ".join(f"{f.name}{f.specifier}" for f in _direct(extra) if f.name not in own)


def constraints(extra: str = "") -> str:
    """Each package that comes along, at the version that is installed here. Raises InputError.

    A local version (`2.13.0+cpu`) loses its label: the other machine's index has its own.
    """
    pinned: dict[str, str] = {}
    waiting = [found.name for found in _direct(extra)]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in pinned:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            # For another platform, or an extra that nobody asked for.
            continue
        pinned[name] = Version(distribution.version).public
        waiting += [found.name for found in _needed(distribution)]
    return _lines(f"{name}=={version}" for name, version in sorted(pinned.items()))


def _direct(extra: str = "") -> list[Requirement]:
    try:
        return _needed(importlib.metadata.distribution(DISTRIBUTION), extra)
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"{DISTRIBUTION} isn't installed as a package, so its requirements aren't known; "
            "run `make setup` or pip install it"
        ) from None


def _needed(distribution: importlib.metadata.Distribution, extra: str = "") -> list[Requirement]:
    parsed = [Requirement(text) for text in distribution.requires or ()]
    return [f for f in parsed if f.marker is None or f.marker.evaluate({"extra": extra})]


def _lines(texts: Iterator[str]) -> str:
    return "".join(f"{text}\n" for text in texts)
