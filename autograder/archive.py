"""Zip and tar archives as lists of entries, read in memory and never unpacked to disk.

An archive is hostile input. What bounds the work:

- the caller hands over the whole file as bytes (at most `MAX_ARCHIVE_BYTES`), so that it can't
  change while we look at it;
- listing decompresses nothing of a zip, and at most `MAX_UNPACKED_BYTES` of a compressed tar;
- an entry's content is read only when asked for, up to a limit. The limits are absolute, so no
  ratio of sizes has to be judged, and no size that a header claims has to be believed.

Zip goes through `zipfile`. Tar has a parser of its own, because `tarfile` can be made to loop
for ever or to backtrack quadratically by a crafted header on Python versions that we support
(CVE-2024-6232, CVE-2025-8194), and because a submission needs so little of it.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from bisect import bisect_right
from functools import partial

from autograder.archive_entry import (
    MAX_ENTRIES,
    MAX_UNPACKED_BYTES,
    Entry,
    damaged,
    first_line,
    make_entry,
    shown,
    too_large,
    too_many,
)
from autograder.errors import SubmissionError
from autograder.tar import decompress, list_tar

__all__ = [
    "MAX_ARCHIVE_BYTES",
    "MAX_ENTRIES",
    "MAX_UNPACKED_BYTES",
    "Entry",
    "archive_format",
    "list_archive",
    "shown",
    "too_large",
]

MAX_ARCHIVE_BYTES = 32 * 2**20


def archive_format(data: bytes, name: str) -> str | None:
    """What kind of archive this is, by its first bytes and then by its name; None if it is none.

    One of "zip", "tar", "tar.gz", "tar.bz2", "tar.xz", or "rar" and "7z", which can't be read.
    """
    for magic, kind in _MAGICS:
        if data.startswith(magic):
            return kind
    if data[257:262] == b"ustar":
        return "tar"
    lowered = name.lower()
    return next((kind for suffix, kind in _SUFFIXES if lowered.endswith(suffix)), None)


_MAGICS = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\x1f\x8b", "tar.gz"),
    (b"BZh", "tar.bz2"),
    (b"\xfd7zXZ\x00", "tar.xz"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
)
_SUFFIXES = (
    (".zip", "zip"),
    (".tar", "tar"),
    (".tar.gz", "tar.gz"),
    (".tgz", "tar.gz"),
    (".tar.bz2", "tar.bz2"),
    (".tbz2", "tar.bz2"),
    (".tar.xz", "tar.xz"),
    (".txz", "tar.xz"),
    (".rar", "rar"),
    (".7z", "7z"),
)


def list_archive(data: bytes, where: str) -> list[Entry]:
    """All entries of an archive but its folders, in the archive's own order.

    `where` names the archive in messages. Raises SubmissionError if it is no archive that we
    read, is damaged or truncated, or goes beyond a limit.
    """
    kind = archive_format(data, where)
    if not data:
        raise SubmissionError(f"{where}: the file is empty; upload it again.")
    if kind == "zip":
        return _list_zip(data, where)
    if kind in ("rar", "7z") or kind is None:
        what = "no archive that we know" if kind is None else f"a {kind} archive"
        raise SubmissionError(f"{where}: this is {what}; pack the files as a .zip instead.")
    if kind != "tar":
        data = decompress(data, kind, where)
    return list(list_tar(data, where))


# All that zipfile raises on damaged input (NotImplementedError is a RuntimeError, a bad UTF-8
# name a ValueError); found by fuzzing, kept by the tests.
_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def _list_zip(data: bytes, where: str) -> list[Entry]:
    # Every directory record that zipfile makes an object of begins with these bytes, so their
    # number bounds its memory before it starts, whatever count the archive claims.
    if data.count(b"PK\x01\x02") > MAX_ENTRIES:
        raise too_many(where)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except UnicodeDecodeError:
        raise damaged(where, "a file name isn't valid UTF-8") from None
    except _ZIP_FAULTS as error:
        raise damaged(where, first_line(error)) from None
    members = archive.infolist()
    starts = sorted({member.header_offset for member in members} | {archive.start_dir})
    return [
        make_entry(
            member.filename,
            _zip_kind(member),
            partial(_read_zip, data, archive, member, starts, where),
        )
        for member in members
        if not member.filename.endswith("/")  # is_dir() fails on an empty name
    ]


def _zip_kind(member: zipfile.ZipInfo) -> str:
    mode = member.external_attr >> 16
    if member.create_system != 3 or stat.S_IFMT(mode) in (0, stat.S_IFREG):
        return "file"
    return "symbolic link" if stat.S_ISLNK(mode) else "special file"


def _read_zip(
    data: bytes,
    archive: zipfile.ZipFile,
    member: zipfile.ZipInfo,
    starts: list[int],
    where: str,
    limit: int,
) -> bytes:
    name = shown(member.filename)
    if member.flag_bits & 0x1:
        raise SubmissionError(
            f"{where}: `{name}` is encrypted; pack the archive again without a password."
        )
    # What Finder, Explorer, zip and 7-Zip write into a .zip by default. zipfile decompresses the
    # rarer methods without a bound on memory.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SubmissionError(
            f"{where}: `{name}` is compressed by a method that we don't read "
            f"(number {member.compress_type}); pack it as a plain .zip."
        )
    if member.file_size > limit:
        raise too_large(member.filename, limit, where)
    start = member.header_offset
    following = bisect_right(starts, start)
    lengths = data[start + 26 : start + 30]
    if len(lengths) == 4 and following < len(starts):
        end = start + 30 + sum(struct.unpack("<HH", lengths)) + member.compress_size
        if end > starts[following]:
            raise damaged(where, f"`{name}` overlaps the next entry")
    try:
        with archive.open(member) as stream:
            content = stream.read(limit + 1)
    except _ZIP_FAULTS as error:
        raise damaged(where, f"`{name}`: {first_line(error)}") from None
    if len(content) != member.file_size:
        raise damaged(where, f"`{name}` has another size than its header says")
    return content
