"""Frames between the grader and a worker: a fixed prefix, a JSON header, raw bytes.

    magic (4) | header length (4) | payload length (8) | header: ASCII JSON object | payload

All lengths are little-endian and checked against a cap before anything is allocated. Every request
has one reply, in the order of the requests; the grader may send some ahead. A reply repeats its
request's `id`, a random number, so that an answer to another question (or one prepared earlier) is
noticed.

What comes from a worker is hostile. `unpack_prefix` and `unpack_header` raise `ProtocolError` for
anything but a well-formed frame, and `decoder.Decoder` does the same for what a header describes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "MAX_DEPTH",
    "MAX_HEADER",
    "MAX_ITEMS",
    "MAX_REQUEST_PAYLOAD",
    "PREFIX",
    "WORKER_FAILED",
    "ProtocolError",
    "frame",
    "pack",
    "unpack_header",
    "unpack_prefix",
]

PREFIX = struct.Struct("<4sIQ")
_MAGIC = b"AGf1"
_ALIGNMENT = 16

MAX_HEADER = 1 << 20
"""Bytes of one header: some 20,000 values, and at most a few tens of MiB once parsed."""

MAX_REQUEST_PAYLOAD = 1 << 32
"""Bytes of tensors in one request; only guards the trusted direction against nonsense."""

MAX_DEPTH = 16
"""Levels of lists, tuples and dicts within one value."""

MAX_ITEMS = 20_000
"""Values in one message, counting each element of each container."""

WORKER_FAILED = 70
"""The exit status of a worker whose own code failed, as it does when student code breaks Python."""

Buffer = bytes | bytearray | memoryview


class ProtocolError(Exception):
    """The other side sent something that is not a frame, or not the frame that was due."""


def pack(header: Mapping[str, Any], chunks: Sequence[Buffer] = ()) -> list[Buffer]:
    """The pieces of one frame, in order. `chunks` are buffers of bytes (format "B").

    Raises ProtocolError if the header is larger than the other side would accept.
    """
    text = json.dumps(header, separators=(",", ":"), check_circular=False).encode("ascii")
    return frame(text, chunks)


def frame(text: bytes, chunks: Sequence[Buffer] = ()) -> list[Buffer]:
    """As `pack`, for a header that is JSON text already."""
    # So that the payload, and each tensor in it, begins at an aligned address of the receiver's.
    text += b" " * (-(PREFIX.size + len(text)) % _ALIGNMENT)
    if len(text) > MAX_HEADER:
        raise ProtocolError(f"a header of {len(text):,} bytes is more than {MAX_HEADER:,}")
    payload = sum(map(len, chunks))
    return [PREFIX.pack(_MAGIC, len(text), payload) + text, *chunks]


def unpack_prefix(data: Buffer, max_payload: int) -> tuple[int, int]:
    """Header length and payload length from the first `PREFIX.size` bytes of a frame.

    Raises ProtocolError if the magic is wrong or a length exceeds its cap.
    """
    try:
        magic, header, payload = PREFIX.unpack_from(data)
    except struct.error:
        raise ProtocolError("the frame is shorter than its prefix") from None
    if magic != _MAGIC:
        raise ProtocolError("the frame doesn't begin with the magic bytes")
    if header > MAX_HEADER:
        raise ProtocolError(f"a header of {header:,} bytes is more than {MAX_HEADER:,}")
    if payload > max_payload:
        raise ProtocolError(f"a payload of {payload:,} bytes is more than {max_payload:,}")
    return header, payload


def unpack_header(data: Buffer) -> dict[str, Any]:
    """The header of a frame. Raises ProtocolError unless it is an ASCII JSON object.

    The parser bounds itself: the nesting by Python's recursion limit, the digits of an int by the
    interpreter's limit for str conversion, everything else by `MAX_HEADER`.
    """
    try:
        header = json.loads(str(data, "ascii"))
    except (ValueError, RecursionError):
        raise ProtocolError("the header is not JSON") from None
    if type(header) is not dict:
        raise ProtocolError("the header is not a JSON object")
    return header
