"""What an archive or a folder consists of, and how its names and faults are worded."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from autograder.errors import SubmissionError

__all__ = [
    "MAX_ENTRIES",
    "MAX_UNPACKED_BYTES",
    "Entry",
    "damaged",
    "first_line",
    "make_entry",
    "shown",
    "too_large",
    "too_many",
]

MAX_UNPACKED_BYTES = 64 * 2**20
MAX_ENTRIES = 100_000

_MAX_NAME_LETTERS = 4096


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a folder or an archive.

    `path` holds the parts of its name, the file's own name last. `read(limit)` returns the
    content, and raises SubmissionError if that has more than `limit` bytes or is damaged; it is
    None for what is no ordinary file, and then `kind` says what it is instead.
    """

    path: tuple[str, ...]
    read: Callable[[int], bytes] | None = None
    kind: str = "file"

    @property
    def name(self) -> str:
        return self.path[-1]


def shown(name: str, width: int = 80) -> str:
    """A name that someone else chose, safe to print: one line, no control characters.

    Characters that don't print (escapes, line ends, bidi marks) are written as `\\xNN`; backticks
    become quotes, and of more than `width` characters the middle is left out.
    """
    text = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in name[:width] + name[max(width, len(name) - width) :]
    ).replace("`", "'")
    return text if len(text) <= width else f"{text[: width // 2]}…{text[-(width // 2) :]}"


def too_large(name: str, limit: int, where: str) -> SubmissionError:
    """The error for a file that has more than `limit` bytes."""
    allowed = f"{limit / 2**20:.3g} MiB" if limit >= 2**18 else f"{limit:,} bytes"
    return SubmissionError(
        f"{where}: too large: {allowed} is the most for {shown(name)}; "
        f"submit source code only, no data and no output."
    )


def damaged(where: str, what: str) -> SubmissionError:
    return SubmissionError(f"{where}: the archive is damaged ({what}); pack and upload it again.")


def too_many(where: str) -> SubmissionError:
    return SubmissionError(
        f"{where}: the archive has more than {MAX_ENTRIES:,} entries; submit only your own files."
    )


def make_entry(name: str, kind: str, read: Callable[[int], bytes] | None) -> Entry:
    """An entry under the name that the archive gives it.

    Backslashes separate folders as well: old Windows packers wrote them. A name that leads out of
    the folder it would be unpacked in isn't taken, although nothing is ever unpacked: who wrote it
    had something else in mind than handing in a file.
    """
    parts = tuple(part for part in re.split(r"[/\\]", name) if part not in ("", "."))
    if not parts:
        return Entry((name or "(no name)",), kind="file without a name")
    outside = name[0] in "/\\" or ".." in parts or re.match("[A-Za-z]:", name) is not None
    if outside:
        return Entry(parts, kind="path that leads out of the archive")
    if "\0" in name or len(name) > _MAX_NAME_LETTERS:
        return Entry(parts, kind="file with an impossible name")
    return Entry(parts, read if kind == "file" else None, kind)


def first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return shown(lines[0].rstrip(".")) if lines else type(error).__name__
