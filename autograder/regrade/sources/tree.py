"""A folder or an archive, seen the same way: names at the top, and what lies below them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from autograder.archive import (
    MAX_ARCHIVE_BYTES,
    Entry,
    archive_format,
    list_archive,
    shown,
    too_large,
)
from autograder.errors import InputError, SubmissionError
from autograder.submission import Submission, choose_files, only_archive, read_submission

__all__ = ["ArchiveTree", "FolderTree", "Named", "Tree", "is_archive", "open_tree", "read_named"]

_CLUTTER = frozenset({"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini"})


@dataclass(frozen=True, slots=True)
class Named:
    """A file at the top of a tree, under the name that the student gave it."""

    name: str
    given: str


class Tree(Protocol):
    """`where` names it in messages. What begins with a dot, and clutter, is not there."""

    where: str

    def names(self) -> list[str]:
        """What lies at the top, sorted."""
        ...

    def is_folder(self, name: str) -> bool: ...

    def has(self, *path: str) -> bool:
        """Whether there is something at `path`, dot files included."""
        ...

    def below(self, name: str) -> Tree: ...

    def read(self, name: str, limit: int) -> bytes:
        """A file at the top. Raises SubmissionError if it can't be read or is too large."""
        ...

    def submission(self, name: str, wanted: Sequence[str], max_bytes: int) -> Submission:
        """What lies at `name` as a submission. Raises SubmissionError."""
        ...


def open_tree(path: Path) -> Tree:
    """The folder or archive at `path`. Raises InputError if it is neither."""
    if path.is_dir():
        return FolderTree(path)
    if not path.exists():
        raise InputError(f"{path}: is not a folder; give one with a folder per submission")
    where = shown(str(path), 1000)
    data = _read_regular(path, MAX_ARCHIVE_BYTES, where, "unpack it, and name the folder")
    if archive_format(data, path.name) is None:
        raise InputError(
            f"{where}: neither a folder nor an archive; give a folder with one per submission"
        )
    return ArchiveTree(where, list_archive(data, where))


class FolderTree:
    """A folder on disk. Links are not followed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = shown(str(path), 1000)

    def names(self) -> list[str]:
        with os.scandir(self.path) as scan:
            return sorted(child.name for child in scan if not _is_clutter(child.name))

    def is_folder(self, name: str) -> bool:
        try:
            return stat.S_ISDIR((self.path / name).lstat().st_mode)
        except (OSError, ValueError):
            return False

    def has(self, *path: str) -> bool:
        return os.path.lexists(self.path.joinpath(*path))

    def below(self, name: str) -> FolderTree:
        return FolderTree(self.path / name)

    def read(self, name: str, limit: int) -> bytes:
        where = shown(str(self.path / name), 1000)
        return _read_regular(self.path / name, limit, where, "submit source code only")

    def submission(self, name: str, wanted: Sequence[str], max_bytes: int) -> Submission:
        return read_submission(self.path / name, wanted, max_bytes=max_bytes)


class ArchiveTree:
    """An archive in memory; nothing is unpacked to disk."""

    def __init__(self, where: str, entries: Sequence[Entry]) -> None:
        self.where = where
        self._children: dict[str, list[Entry]] = {}
        for entry in entries:
            self._children.setdefault(entry.path[0], []).append(entry)

    def names(self) -> list[str]:
        return sorted(name for name in self._children if not _is_clutter(name))

    def is_folder(self, name: str) -> bool:
        return any(len(entry.path) > 1 for entry in self._children.get(name, ()))

    def has(self, *path: str) -> bool:
        return any(entry.path[: len(path)] == path for entry in self._children.get(path[0], ()))

    def below(self, name: str) -> ArchiveTree:
        return ArchiveTree(f"{self.where}/{shown(name)}", self._entries_below(name))

    def read(self, name: str, limit: int) -> bytes:
        # As unpacking would have it: of several with one name, the last.
        for entry in reversed(self._children.get(name, [])):
            if len(entry.path) == 1 and entry.read is not None:
                return entry.read(limit)
        raise SubmissionError(f"{self.where}/{shown(name)}: this is no ordinary file")

    def submission(self, name: str, wanted: Sequence[str], max_bytes: int) -> Submission:
        where = f"{self.where}/{shown(name)}"
        if self.is_folder(name):
            entries = self._entries_below(name)
            inner = only_archive(entries, wanted)
            if inner is None or inner.read is None:
                return choose_files(entries, wanted, max_bytes, where)
            where = f"{where}/{shown(inner.name)}"
            found = list_archive(inner.read(MAX_ARCHIVE_BYTES), where)
            note = f"opened `{shown(inner.name)}`, the only archive in the folder."
            chosen = choose_files(found, wanted, max_bytes, where)
            return Submission.from_files(chosen.files, wanted, notes=[note, *chosen.notes])
        return read_named(self, [Named(name, name)], wanted, max_bytes, where)

    def _entries_below(self, name: str) -> list[Entry]:
        return [
            replace(entry, path=entry.path[1:])
            for entry in self._children.get(name, ())
            if len(entry.path) > 1
        ]


def read_named(
    tree: Tree, files: Sequence[Named], wanted: Sequence[str], max_bytes: int, where: str
) -> Submission:
    """Several files at the top of `tree`, under their given names, as one submission.

    If none of them is wanted and one is an archive, it is that archive's content. Raises
    SubmissionError.
    """
    entries = [Entry((file.given,), partial(tree.read, file.name)) for file in files]
    archives = [file for file in files if is_archive(file.given)]
    if len(archives) == 1 and not any(file.given in wanted for file in files):
        data = tree.read(archives[0].name, MAX_ARCHIVE_BYTES)
        entries = list_archive(data, f"{where}/{shown(archives[0].given)}")
    elif len(files) == len(wanted) == 1 and _is_renamed(files[0].given, wanted[0]):
        note = f"took `{shown(files[0].given)}` as `{wanted[0]}`, the one file that is wanted."
        content = tree.read(files[0].name, max_bytes)
        return Submission.from_files({wanted[0]: content}, wanted, notes=[note])
    return choose_files(entries, wanted, max_bytes, where)


def _is_renamed(given: str, wanted: str) -> bool:
    return given != wanted and given.endswith(".py")


def is_archive(name: str) -> bool:
    """Whether a file of that name would be taken for an archive."""
    return archive_format(b"", name) is not None


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name in _CLUTTER


def _read_regular(path: Path, limit: int, where: str, advice: str) -> bytes:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        with os.fdopen(os.open(path, flags), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise SubmissionError(f"{where}: this is no ordinary file")
            data = stream.read(limit + 1)
    except OSError as error:
        raise SubmissionError(f"{where}: can't be read: {error.strerror}") from None
    if len(data) > limit:
        raise SubmissionError(f"{too_large(path.name, limit, where)} ({advice})")
    return data
