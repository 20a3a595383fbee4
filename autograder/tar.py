"""Tar archives, compressed or not, read from memory; see `archive` for what bounds the work."""

from __future__ import annotations

import bz2
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol

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

__all__ = ["decompress", "list_tar"]

_MAX_HEADER_BYTES = 2**20
# Parallel compressors (pigz, pbzip2) write one stream per block, at most some dozens in 64 MiB.
# Millions of empty streams cost time and unpack to nothing.
_MAX_STREAMS = 1_000
_CHUNK = 64 * 2**10
# `xz -9` needs 65 MiB to decompress; a header may ask for 4 GiB.
_XZ_MEMORY = 80 * 2**20


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


def decompress(data: bytes, kind: str, where: str) -> bytes:
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
        raise damaged(where, first_line(error)) from None
    raise damaged(where, f"more than {_MAX_STREAMS:,} compressed streams")


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


def list_tar(data: bytes, where: str) -> Iterator[Entry]:
    """POSIX.1-2001 (pax), ustar, GNU and V7 headers; global pax headers change no name or size."""
    if data.strip(b"\0") and not _checksum_is_right(data[:_BLOCK]):
        raise SubmissionError(f"{where}: this holds no tar archive; pack the files as a .zip.")
    offset = 0
    long_name: bytes | None = None
    pax: dict[bytes, bytes] = {}
    for _ in range(MAX_ENTRIES + 1):
        header = data[offset : offset + _BLOCK]
        if len(header) < _BLOCK:
            raise damaged(where, "it ends too early")
        if not header.strip(b"\0"):  # what marks the end
            return
        if not _checksum_is_right(header):
            raise damaged(where, "a tar header's checksum is wrong")
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
            yield make_entry(text, _LINKS_AND_DEVICES[kind], None)
            continue
        if kind == _SPARSE:
            offset = _after_sparse_map(data, header, offset, where)
        if offset + size > len(data):
            raise damaged(where, f"it ends within `{shown(text)}`")
        ordinary = "file" if kind in _REGULAR else "special file"
        read = partial(_read_slice, data, offset, size, text, where)
        yield make_entry(text, "sparse file" if sparse else ordinary, read)
        offset += _padded(size)
    raise too_many(where)


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
        raise damaged(where, "a tar header holds no valid size")
    return int(digits or b"0", 8)


def _number(digits: bytes, where: str) -> int:
    """A decimal number of a pax header, of a length that can't cost time."""
    if re.fullmatch(rb"[0-9]{1,19}", digits) is None:
        raise damaged(where, "a pax header holds no valid number")
    return int(digits)


def _tar_name(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    prefix = header[345:500].split(b"\0", 1)[0] if header[257:263] == b"ustar\0" else b""
    return prefix + b"/" + name if prefix else name


def _tar_extension(data: bytes, offset: int, size: int, where: str) -> bytes:
    """The content of a header that describes the next entry: a long name, or pax records."""
    if offset + size > len(data):
        raise damaged(where, "it ends within a header")
    if size > _MAX_HEADER_BYTES:
        raise damaged(where, "a header is too long")
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
            raise damaged(where, "a pax header is malformed")
        records[key] = value[:-1]
        position = end
    return records


def _after_sparse_map(data: bytes, header: bytes, offset: int, where: str) -> int:
    """Where an old GNU sparse file's content begins: after the blocks that continue its map."""
    continued = header[482]
    while continued:
        if offset + _BLOCK > len(data):
            raise damaged(where, "it ends within a header")
        continued = data[offset + 504]
        offset += _BLOCK
    return offset
