"""Cohorts: a folder with one entry per submission, or Gradescope's “Export Submissions”."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from autograder.errors import InputError, SubmissionError
from autograder.submission import Submission, read_submission

__all__ = ["Entry", "read_cohort"]

METADATA = "submission_metadata.yml"
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_CLUTTER = ("__MACOSX", "__pycache__")


@dataclass(frozen=True, slots=True)
class Entry:
    """One submission of a cohort; `submission` is None if it can't be read, `error` says why."""

    id: str
    student: str
    submission: Submission | None
    error: str | None = None


def read_cohort(folder: Path, wanted: Sequence[str], *, max_bytes: int) -> list[Entry]:
    """Every submission in `folder`, in the order of their names.

    Students' names come from Gradescope's metadata where there is one, else from the entries.
    Raises InputError if there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder; give one with a folder per submission")
    names = _students(folder / METADATA)
    entries = [
        _entry(path, names.get(path.name, path.name), wanted, max_bytes)
        for path in _submissions(folder)
    ]
    if not entries:
        raise InputError(f"{folder}: there are no submissions in it")
    return entries


def _is_submission(path: Path) -> bool:
    return path.is_dir() or path.name.endswith((".py", *ARCHIVES))


def _submissions(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in (METADATA, *_CLUTTER):
            continue
        if _is_submission(path):
            yield path


def _entry(path: Path, student: str, wanted: Sequence[str], max_bytes: int) -> Entry:
    try:
        submission = read_submission(path, wanted, max_bytes=max_bytes)
    except SubmissionError as error:
        return Entry(path.name, student, None, str(error))
    return Entry(path.name, student, submission)


def _students(metadata: Path) -> Mapping[str, str]:
    """Submission id -> the submitters' names, joined."""
    if not metadata.is_file():
        return {}
    try:
        table = yaml.safe_load(metadata.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        line = str(error).splitlines()[0]
        raise InputError(f"{metadata}: can't be read as Gradescope's metadata: {line}") from None
    if not isinstance(table, Mapping):
        raise InputError(f"{metadata}: is not Gradescope's metadata (a mapping of submissions)")
    return {str(key): _names(entry) or str(key) for key, entry in table.items()}


def _names(entry: Any) -> str:
    submitters = entry.get(":submitters") if isinstance(entry, Mapping) else None
    if not isinstance(submitters, list):
        return ""
    given = (s.get(":name") for s in submitters if isinstance(s, Mapping))
    return ", ".join(str(name) for name in given if name)
