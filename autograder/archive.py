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

import bz2
import io
import lzma
import re
import stat
import struct
import zipfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from autograder.errors import SubmissionError

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
MAX_UNPACKED_BYTES = 64 * 2**20
MAX_ENTRIES = 100_000

_MAX_NAME_LETTERS = 4096
_MAX_HEADER_BYTES = 2**20
# Parallel compressors (pigz, pbzip2) write one stream per block, at most some dozens in 64 MiB.
# Millions of empty streams cost time and unpack to nothing.
_MAX_STREAMS = 1_000
_CHUNK = 64 * 2**10
# `xz -9` needs 65 MiB to decompress; a header may ask for 4 GiB.
_XZ_MEMORY = 80 * 2**20


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
        data = _decompress(data, kind, where)
    return list(_list_tar(data, where))


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


def _damaged(where: str, what: str) -> SubmissionError:
    return SubmissionError(f"{where}: the archive is damaged ({what}); pack and upload it again.")


def _too_many(where: str) -> SubmissionError:
    return SubmissionError(
        f"{where}: the archive has more than {MAX_ENTRIES:,} entries; submit only your own files."
    )


def _entry(name: str, kind: str, read: Callable[[int], bytes] | None) -> Entry:
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


# --- zip ------------------------------------------------------------------------------------------

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
        raise _too_many(where)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except UnicodeDecodeError:
        raise _damaged(where, "a file name isn't valid UTF-8") from None
    except _ZIP_FAULTS as error:
        raise _damaged(where, _first_line(error)) from None
    members = archive.infolist()
    starts = sorted({member.header_offset for member in members} | {archive.start_dir})
    return [
        _entry(
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
            raise _damaged(where, f"`{name}` overlaps the next entry")
    try:
        with archive.open(member) as stream:
            content = stream.read(limit + 1)
    except _ZIP_FAULTS as error:
        raise _damaged(where, f"`{name}`: {_first_line(error)}") from None
    if len(content) != member.file_size:
        raise _damaged(where, f"`{name}` has another size than its header says")
    return content


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return shown(lines[0].rstrip(".")) if lines else type(error).__name__


# --- compression of tar ---------------------------------------------------------------------------


class _Decompressor(Protocol):
    """What bz2's and lzma's decompressors have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gunzip:
    """zlib's decompressor for gzip, in the shape of the other two."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


_COMPRESSIONS: dict[str, tuple[bytes, Callable[[], _Decompressor]]] = {
    "tar.gz": (b"\x1f\x8b", _Gunzip),
    "tar.bz2": (b"BZh", bz2.BZ2Decompressor),
    "tar.xz": (b"\xfd7zXZ", partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MEMORY)),
}


def _decompress(data: bytes, kind: str, where: str) -> bytes:
    """The tar within. Bytes after the last stream don't count, as with the usual tools."""
    magic, new_decompressor = _COMPRESSIONS[kind]
    unpacked = bytearray()
    position = 0
    rest = b""
    try:
        for _ in range(_MAX_STREAMS):
            stream = new_decompressor()
            while not stream.eof:
                block = b""
                if stream.needs_input:
                    block = rest or data[position : position + _CHUNK]
                    position += 0 if rest else len(block)
                    rest = b""
                output = stream.decompress(block, _CHUNK)
                if not (block or output or stream.eof):
                    raise EOFError("it ends too early")
                unpacked += output
                if len(unpacked) > MAX_UNPACKED_BYTES:
                    raise SubmissionError(
                        f"{where}: the archive unpacks to more than "
                        f"{MAX_UNPACKED_BYTES >> 20} MiB; submit only your own source files."
                    )
            rest = stream.unused_data
            if len(rest) < len(magic):
                rest += data[position : position + _CHUNK]
                position += _CHUNK
            if not rest.startswith(magic):
                return bytes(unpacked)
    except (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise _damaged(where, _first_line(error)) from None
    raise _damaged(where, f"more than {_MAX_STREAMS:,} compressed streams")


# --- tar ------------------------------------------------------------------------------------------

_BLOCK = 512
_REGULAR = frozenset(b"0\x007")
_DIRECTORY = ord("5")
_SPARSE = ord("S")
_EXTENSIONS = frozenset(b"LKxXg")
# Types without content, whatever size their header claims (as in tarfile and GNU tar).
_LINKS_AND_DEVICES = {
    ord("1"): "hard link",
    ord("2"): "symbolic link",
    ord("3"): "special file",
    ord("4"): "special file",
    ord("6"): "special file",
}


def _list_tar(data: bytes, where: str) -> Iterator[Entry]:
    """POSIX.1-2001 (pax), ustar, GNU and V7 headers; global pax headers change no name or size."""
    if data.strip(b"\0") and not _checksum_is_right(data[:_BLOCK]):
        raise SubmissionError(f"{where}: this holds no tar archive; pack the files as a .zip.")
    offset = 0
    long_name: bytes | None = None
    pax: dict[bytes, bytes] = {}
    for _ in range(MAX_ENTRIES + 1):
        header = data[offset : offset + _BLOCK]
        if len(header) < _BLOCK:
            raise _damaged(where, "it ends too early")
        if not header.strip(b"\0"):  # what marks the end
            return
        if not _checksum_is_right(header):
            raise _damaged(where, "a tar header's checksum is wrong")
        kind = header[156]
        size = _tar_size(header[124:136], where)
        offset += _BLOCK
        if kind in _EXTENSIONS:
            content = _tar_extension(data, offset, size, where)
            offset += _padded(size)
            if kind == ord("L"):
                long_name = content
            elif kind in b"xX":
                pax = _pax_records(content, where)
            continue
        name = pax.get(b"path", _tar_name(header) if long_name is None else long_name)
        text = name.decode("utf-8", "replace")
        size = _number(pax[b"size"], where) if b"size" in pax else size
        sparse = kind == _SPARSE or any(key.startswith(b"GNU.sparse.") for key in pax)
        long_name, pax = None, {}
        if kind == _DIRECTORY or (kind == 0 and name.endswith(b"/")):
            continue
        if kind in _LINKS_AND_DEVICES:
            yield _entry(text, _LINKS_AND_DEVICES[kind], None)
            continue
        if kind == _SPARSE:
            offset = _after_sparse_map(data, header, offset, where)
        if offset + size > len(data):
            raise _damaged(where, f"it ends within `{shown(text)}`")
        ordinary = "file" if kind in _REGULAR else "special file"
        read = partial(_read_slice, data, offset, size, text, where)
        yield _entry(text, "sparse file" if sparse else ordinary, read)
        offset += _padded(size)
    raise _too_many(where)


def _checksum_is_right(header: bytes) -> bool:
    """Whether this is a tar header: the sum of its bytes, the field itself counted as spaces."""
    field = header[148:156].strip(b" \0")
    if re.fullmatch(rb"[0-7]{1,8}", field) is None:
        return False
    total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if total == int(field, 8):
        return True
    # Some old tars summed signed characters.
    high = sum(byte > 127 for byte in header[:148] + header[156:])
    return total - 256 * high == int(field, 8)


def _tar_size(field: bytes, where: str) -> int:
    if field[0] == 0x80:  # GNU: big-endian bytes instead of octal digits (0xff: a negative number)
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if re.fullmatch(rb"[0-7]*", digits) is None:
        raise _damaged(where, "a tar header holds no valid size")
    return int(digits or b"0", 8)


def _number(digits: bytes, where: str) -> int:
    """A decimal number of a pax header, of a length that can't cost time."""
    if re.fullmatch(rb"[0-9]{1,19}", digits) is None:
        raise _damaged(where, "a pax header holds no valid number")
    return int(digits)


def _tar_name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _tar_extension(data: bytes, offset: int, size: int, where: str) -> bytes:
    """The content of a header that describes the next entry: a long name, or pax records."""
    if offset + size > len(data):
        raise _damaged(where, "it ends within a header")
    if size > _MAX_HEADER_BYTES:
        raise _damaged(where, "a header is too long")
    return data[offset : offset + size].rstrip(b"\0")


def _read_slice(data: bytes, offset: int, size: int, name: str, where: str, limit: int) -> bytes:
    if size > limit:
        raise too_large(name, limit, where)
    return data[offset : offset + size]


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _pax_records(content: bytes, where: str) -> dict[bytes, bytes]:
    """`<length> <key>=<value>\\n` …, where the length counts the whole record."""
    records = {}
    position = 0
    while position < len(content):
        digits, _, _ = content[position : position + 20].partition(b" ")
        end = position + _number(digits, where)
        key, equals, value = content[position + len(digits) + 1 : end].partition(b"=")
        if not equals or not value.endswith(b"\n") or end > len(content):
            raise _damaged(where, "a pax header is malformed")
        records[key] = value[:-1]
        position = end
    return records


def _after_sparse_map(data: bytes, header: bytes, offset: int, where: str) -> int:
    """Where an old GNU sparse file's content begins: after the blocks that continue its map."""
    continued = header[482]
    while continued:
        if offset + _BLOCK > len(data):
            raise _damaged(where, "it ends within a header")
        continued = data[offset + 504]
        offset += _BLOCK
    return offset
