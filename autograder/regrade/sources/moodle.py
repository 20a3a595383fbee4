"""Moodle's “Download all submissions”.

A folder each, `Ada Lovelace_12345_assignsubmission_file_`, or, where folders are switched off,
files with their own name behind that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial

from autograder.regrade.gradebook import Person
from autograder.regrade.sources.item import Item, safe_name
from autograder.regrade.sources.tree import Named, Tree, read_named
from autograder.submission import Submission

__all__ = ["items", "recognise"]

_NAME = re.compile(
    r"(?P<name>.+?)_(?P<id>[0-9]+)_assignsubmission_(?P<kind>file|onlinetext)_?(?P<file>.*)",
    re.DOTALL,
)


def recognise(tree: Tree) -> bool:
    return any(_NAME.fullmatch(name) for name in tree.names())


def items(tree: Tree) -> list[Item]:
    """One per participant; what was typed into Moodle's text field is left out."""
    folders: dict[tuple[str, str], str] = {}
    files: dict[tuple[str, str], list[Named]] = {}
    for name in tree.names():
        match = _NAME.fullmatch(name)
        if match is None or match["kind"] != "file":
            continue
        student = (match["name"], match["id"])
        if tree.is_folder(name):
            folders[student] = name
        elif match["file"]:
            files.setdefault(student, []).append(Named(name, match["file"]))
    found = []
    for student in folders.keys() | files.keys():
        name, number = student
        label = safe_name(f"{name}_{number}")
        reader = (
            partial(tree.submission, folders[student])
            if student in folders
            else partial(_read, tree, files[student], label)
        )
        person = Person(safe_name(name), sid=f"Participant {number}")
        found.append(Item(label, (person,), reader))
    return found


def _read(
    tree: Tree, files: Sequence[Named], label: str, wanted: Sequence[str], max_bytes: int
) -> Submission:
    return read_named(tree, files, wanted, max_bytes, f"{tree.where}/{label}")
