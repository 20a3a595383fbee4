"""Frames: whatever bytes arrive, either a header comes out or a ProtocolError."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.sandbox.protocol import (
    MAX_HEADER,
    PREFIX,
    ProtocolError,
    pack,
    unpack_header,
    unpack_prefix,
)

headers = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
        max_leaves=10,
    ),
    max_size=5,
)


def joined(header: dict[str, object], *chunks: bytes) -> bytes:
    return b"".join(bytes(piece) for piece in pack(header, chunks))


@settings(max_examples=60)
@given(headers, st.lists(st.binary(max_size=40), max_size=3))
def test_what_is_packed_comes_out_again(header: dict[str, object], chunks: list[bytes]) -> None:
    frame = joined(header, *chunks)
    header_size, payload_size = unpack_prefix(frame, 1000)
    assert unpack_header(frame[PREFIX.size : PREFIX.size + header_size]) == header
    assert frame[PREFIX.size + header_size :] == b"".join(chunks)
    assert payload_size == sum(map(len, chunks))


@settings(max_examples=40)
@given(headers)
def test_the_payload_begins_at_an_aligned_offset(header: dict[str, object]) -> None:
    header_size, _ = unpack_prefix(joined(header, b"x"), 1)
    assert (PREFIX.size + header_size) % 16 == 0


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_or_are_a_frame(data: bytes) -> None:
    try:
        header_size, payload_size = unpack_prefix(data, 1000)
    except ProtocolError:
        return
    assert header_size <= MAX_HEADER
    assert payload_size <= 1000


@given(st.binary(max_size=200))
def test_arbitrary_headers_are_refused_or_are_objects(data: bytes) -> None:
    try:
        header = unpack_header(data)
    except ProtocolError:
        return
    assert isinstance(header, dict)


@settings(max_examples=60)
@given(headers, st.data())
def test_a_flipped_byte_is_refused_or_harmless(
    header: dict[str, object], data: st.DataObject
) -> None:
    frame = bytearray(joined(header, b"payload"))
    position = data.draw(st.integers(0, len(frame) - 1))
    frame[position] ^= data.draw(st.integers(1, 255))
    try:
        header_size, payload_size = unpack_prefix(frame, 1000)
        unpack_header(bytes(frame[PREFIX.size : PREFIX.size + header_size]))
    except ProtocolError:
        return
    assert payload_size <= 1000


@pytest.mark.parametrize("size", [MAX_HEADER + 1, 2**32 - 1])
def test_a_huge_header_is_refused_before_it_is_read(size: int) -> None:
    with pytest.raises(ProtocolError, match=r"a header of .* bytes is more than"):
        unpack_prefix(PREFIX.pack(b"AGf1", size, 0), 1000)


@pytest.mark.parametrize("size", [1001, 2**63, 2**64 - 1])
def test_a_huge_payload_is_refused_before_it_is_read(size: int) -> None:
    with pytest.raises(ProtocolError, match=r"a payload of .* bytes is more than 1,000"):
        unpack_prefix(PREFIX.pack(b"AGf1", 10, size), 1000)


def test_a_foreign_magic_is_refused() -> None:
    with pytest.raises(ProtocolError, match="magic"):
        unpack_prefix(b"HTTP/1.1 200 OK\r\n", 1000)


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "null",
        '"text"',
        "{",
        "{'a': 1}",
        "[" * 100_000,
        '{"a":' * 50_000,
        '{"a": ' + "9" * 100_000 + "}",
        '{"ä": 1}',
    ],
)
def test_a_header_that_is_no_ascii_json_object_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError, match="not"):
        unpack_header(text.encode())


def test_a_header_in_another_encoding_is_refused() -> None:
    # json.loads would guess UTF-16 and UTF-32 by itself.
    with pytest.raises(ProtocolError, match="not JSON"):
        unpack_header(json.dumps({"a": 1}).encode("utf-16"))


def test_a_header_too_large_to_send_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a header of"):
        pack({"text": "x" * MAX_HEADER})
