"""Canvas's “Download Submissions”: every file of everybody in one folder.

`lovelaceada_LATE_4242_981234_operators-1.py`: the student's name, LATE if it was, the ids of user
and upload, the file's own name, and behind that a number if it is not the first attempt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial

from autograder.regrade.gradebook import Person
from autograder.regrade.sources.item import Item, safe_name
from autograder.regrade.sources.tree import Named, Tree, read_named
from autograder.submission import Submission

__all__ = ["items", "recognise"]

_NAME = re.compile(
    r"(?P<name>.+?)(?P<late>_LATE)?_(?P<user>[0-9]+)_(?P<upload>[0-9]+)_(?P<file>.+)", re.DOTALL
)
_ATTEMPT = re.compile(r"(?P<stem>.+)-(?P<number>[0-9]{1,4})(?P<suffix>\.[^.]+|\.tar\.[a-z0-9]+)")


def recognise(tree: Tree) -> bool:
    names = [name for name in tree.names() if not tree.is_folder(name)]
    fitting = sum(_NAME.fullmatch(name) is not None for name in names)
    return fitting > 0 and fitting * 2 > len(tree.names())


def items(tree: Tree) -> list[Item]:
    """One per user, with all of that user's files."""
    uploads: dict[str, list[re.Match[str]]] = {}
    for name in tree.names():
        match = _NAME.fullmatch(name)
        if match is not None and not tree.is_folder(name):
            uploads.setdefault(match["user"], []).append(match)
    found = []
    for user, matches in uploads.items():
        student = safe_name(matches[0]["name"])
        label = f"{student}_{user}"
        found.append(
            Item(
                label,
                (Person(student, sid=f"Canvas {user}"),),
                partial(_read, tree, matches, label),
                late=any(match["late"] for match in matches),
            )
        )
    return found


def _read(
    tree: Tree, matches: Sequence[re.Match[str]], label: str, wanted: Sequence[str], max_bytes: int
) -> Submission:
    files = _latest(matches, wanted)
    return read_named(tree, files, wanted, max_bytes, f"{tree.where}/{label}")


def _latest(matches: Iterable[re.Match[str]], wanted: Sequence[str]) -> list[Named]:
    """Each file under the name its student gave it, the last attempt at it only."""
    newest: dict[str, tuple[int, int, str]] = {}
    for match in matches:
        given, attempt = match["file"], 0
        numbered = _ATTEMPT.fullmatch(given)
        if numbered is not None and given not in wanted:
            given, attempt = numbered["stem"] + numbered["suffix"], int(numbered["number"])
        rank = (attempt, int(match["upload"]), match.string)
        newest[given] = max(rank, newest.get(given, rank))
    return [Named(name, given) for given, (_, _, name) in newest.items()]
