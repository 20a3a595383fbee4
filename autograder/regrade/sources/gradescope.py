"""Gradescope's “Export Submissions”: `submission_metadata.yml` and a folder per submission."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any

from autograder.errors import InputError, SubmissionError
from autograder.regrade.gradebook import Person
from autograder.regrade.sources.item import Item, safe_name
from autograder.regrade.sources.metadata import MetadataError, read_metadata
from autograder.regrade.sources.tree import Tree, is_archive
from autograder.submission import Submission

__all__ = ["items", "parse_moment", "recognise"]

METADATA = "submission_metadata.yml"
_MAX_METADATA_BYTES = 512 * 2**20
# Gradescope repeats all feedback and all earlier attempts here: most of the file.
_UNREAD = frozenset({"results", "history"})


def recognise(tree: Tree) -> bool:
    return _export(tree) is not None


def items(tree: Tree) -> list[Item]:
    """One per submission of the metadata, and per folder that the metadata doesn't know.

    Raises InputError if the metadata can't be read.
    """
    export = _export(tree)
    if export is None:
        raise InputError(
            f"{tree.where}: no {METADATA} in it; give the folder or zip that Gradescope's "
            "“Export Submissions” made"
        )
    known = _metadata(export)
    there = {name for name in export.names() if export.is_folder(name) or is_archive(name)}
    return [_item(export, name, known.get(name), name in there) for name in there | known.keys()]


def parse_moment(value: Any) -> datetime | None:
    """`2026-10-11 18:30:00.000000000 Z` and its relatives; None without a date, time and zone."""
    match = _MOMENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    zone = UTC
    if match["sign"]:
        offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
        zone = timezone(offset if match["sign"] == "+" else -offset) if offset < _DAY else UTC
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None


_DAY = timedelta(days=1)
_MOMENT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.[0-9]{1,9})?\s?"
    r"(?:Z|UTC|(?P<sign>[+-])(?P<hours>[0-9]{2}):?(?P<minutes>[0-9]{2})?)"
)


def _export(tree: Tree) -> Tree | None:
    """The folder that holds the metadata: this one, or `assignment_<id>_export` in it."""
    if tree.has(METADATA):
        return tree
    for name in tree.names():
        if tree.is_folder(name) and tree.has(name, METADATA):
            return tree.below(name)
    return None


def _metadata(export: Tree) -> dict[str, Mapping[str, Any]]:
    where = f"{export.where}/{METADATA}"
    try:
        table = read_metadata(export.read(METADATA, _MAX_METADATA_BYTES), leave_out=_UNREAD)
    except SubmissionError as error:
        raise InputError(f"{where}: can't be read as Gradescope's metadata: {error}") from None
    except MetadataError as error:
        raise InputError(
            f"{where}: can't be read as Gradescope's metadata: {error}; export again"
        ) from None
    return {name: entry if isinstance(entry, Mapping) else {} for name, entry in table.items()}


def _item(export: Tree, name: str, said: Mapping[str, Any] | None, there: bool) -> Item:
    said = said or {}
    submitters = said.get("submitters")
    people = [
        _person(entry)
        for entry in (submitters if isinstance(submitters, list) else [])
        if isinstance(entry, Mapping)
    ]
    return Item(
        name=safe_name(name),
        people=tuple(person for person in people if person is not None),
        reader=partial(export.submission, name) if there else partial(_missing, name),
        timestamp=parse_moment(said.get("created_at")),
        due=parse_moment(said.get("due_date")),
        previous=_score(said.get("score")),
    )


def _person(said: Mapping[str, Any]) -> Person | None:
    name, sid, email = (_text(said.get(key)) for key in ("name", "sid", "email"))
    shown = name or email or sid
    return None if shown is None else Person(shown, sid, email)


def _text(value: Any) -> str | None:
    """Half of these fields are null, or empty, in real exports."""
    text = value.strip() if isinstance(value, str) else ""
    # SQLite and JSON take no lone surrogates; `replace` says that something was there.
    return text.encode("utf-8", "replace").decode()[:500] or None


def _score(value: Any) -> float | None:
    try:
        score = float(value)
    except (TypeError, ValueError):
        return None
    return score if math.isfinite(score) else None


def _missing(name: str, wanted: Sequence[str], max_bytes: int) -> Submission:
    raise SubmissionError(f"{safe_name(name)}: the metadata lists it, but its folder is missing")
