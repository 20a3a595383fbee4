"""A folder as a list of entries, like an archive's; what tools leave behind isn't looked into."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from autograder.archive_entry import MAX_ENTRIES, Entry, too_large
from autograder.errors import SubmissionError

__all__ = ["is_clutter", "list_folder", "read_file"]

_MAX_DEPTH = 32
_CLUTTER_FOLDERS = frozenset({"__MACOSX", "__pycache__", "node_modules", "site-packages"})
_CLUTTER_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def is_clutter(path: tuple[str, ...]) -> bool:
    """Whether a machine put it there: never looked into, and not worth a word."""
    *folders, name = path
    return (
        any(re.match(r"\.[^.]", folder) or folder in _CLUTTER_FOLDERS for folder in folders)
        or name.startswith("._")
        or name in _CLUTTER_FILES
    )


# Windows has none of these flags (and none of the files they are about).
_OPEN_FLAGS = os.O_RDONLY
for _flag in ("O_BINARY", "O_CLOEXEC", "O_NOCTTY", "O_NOFOLLOW", "O_NONBLOCK"):
    _OPEN_FLAGS |= getattr(os, _flag, 0)


def list_folder(root: Path, where: str) -> Iterator[Entry]:
    """All entries below `root` but folders, in a stable order; clutter isn't looked into."""
    seen = 0
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(root.joinpath(*folder)) as scan:
                children = list(islice(scan, MAX_ENTRIES + 1 - seen))
        except OSError:
            if not folder:
                raise
            yield Entry(folder, kind="folder that can't be read")
            continue
        seen += len(children)
        if seen > MAX_ENTRIES:
            raise SubmissionError(
                f"{where}: the folder has more than {MAX_ENTRIES:,} files; "
                f"submit only your own files."
            )
        for child in sorted(children, key=lambda child: child.name):
            path = (*folder, child.name)
            if child.is_symlink():
                yield Entry(path, kind="symbolic link")
            elif child.is_file(follow_symlinks=False):
                yield Entry(path, partial(read_file, root.joinpath(*path), where))
            elif not child.is_dir(follow_symlinks=False):
                yield Entry(path, kind="special file")
            elif len(path) >= _MAX_DEPTH:
                yield Entry(path, kind="folder nested too deeply")
            elif not is_clutter((*path, "")):
                waiting.append(path)


def read_file(path: Path, where: str, limit: int) -> bytes:
    """A regular file's bytes. Raises SubmissionError if it has more than `limit`, or OSError."""
    with os.fdopen(os.open(path, _OPEN_FLAGS), "rb") as stream:
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe, socket or device")
        # The size is asked first, so that a huge file costs nothing, and the bytes are counted
        # too, because a file may grow.
        data = b"" if status.st_size > limit else stream.read(limit + 1)
        if status.st_size > limit or len(data) > limit:
            raise too_large(path.name, limit, where)
        return data
