"""Broken and hostile archives by the thousand: each is read or refused, nothing else.

`FUZZ_ROUNDS=20000 python -m pytest tests/test_archive_fuzz.py` looks longer.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.archive import list_archive
from autograder.errors import SubmissionError
from autograder.submission import read_submission

ROUNDS = int(os.environ.get("FUZZ_ROUNDS", "2000"))
WANTED = ("operators.py", "losses.py")
LIMIT = 4_096


def _zip(method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        target.writestr("hw1/operators.py", b"def matmul(x, w): ...\n" * 20)
        target.writestr("losses.py", b"")
        target.writestr("é/read me.txt", bytes(range(256)))
        link = zipfile.ZipInfo("link.py")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        target.writestr(link, "operators.py")
    return buffer.getvalue()


def _tar(kind: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as target:
        for name, size in (("hw1/operators.py", 600), ("l" * 120 + "/losses.py", 3)):
            member = tarfile.TarInfo(name)
            member.size = size
            target.addfile(member, io.BytesIO(b"x" * size))
        link = tarfile.TarInfo("link.py")
        link.type, link.linkname = tarfile.SYMTYPE, "m" * 150
        target.addfile(link)
    return buffer.getvalue()


def seeds() -> list[bytes]:
    tars = [_tar(tarfile.PAX_FORMAT), _tar(tarfile.GNU_FORMAT)]
    packed = [pack(tars[0]) for pack in (gzip.compress, bz2.compress, lzma.compress)]
    return [_zip(zipfile.ZIP_STORED), _zip(zipfile.ZIP_DEFLATED), *tars, *packed]


def with_checksums(data: bytes) -> bytes:
    """Mend the checksum of each tar header, so that a mutation gets past it."""
    mended = bytearray(data)
    for start in range(0, len(mended) - 511, 512):
        block = mended[start : start + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            mended[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    return bytes(mended)


INTERESTING = [b"\0", b"\xff", b"\x80", b"/", b"..", b"PK\x01\x02", b"PK\x05\x06", b"\xff" * 4]
INTERESTING += [b"7" * 11, b"-1", b"\x80" + b"\xff" * 11, b"\xff\xff\xff\x7f", b"9" * 30, b"\n"]


def mutations(rounds: int) -> Iterator[bytes]:
    dice = random.Random(20_260_101)
    bases = seeds()
    for _ in range(rounds):
        data = bytearray(dice.choice(bases))
        for _ in range(dice.choice((1, 1, 2, 4, 16))):
            at = dice.randrange(len(data) + 1)
            match dice.randrange(6):
                case 0:
                    data[at : at + 1] = dice.randbytes(1)
                case 1:
                    piece = dice.choice(INTERESTING)
                    data[at : at + len(piece)] = piece
                case 2:
                    del data[at : at + dice.randrange(1, 600)]
                case 3:
                    data[at:at] = data[: dice.randrange(1, 600)]
                case 4:
                    data[at:at] = dice.choice(INTERESTING)
                case _:
                    data[at : at + 1] = bytes([data[at - 1] ^ (1 << dice.randrange(8))])
            if not data:
                break
        plain = data[257:262] == b"ustar"
        yield with_checksums(bytes(data)) if plain and dice.random() < 0.8 else bytes(data)


def read_or_refuse(read: Callable[[], object]) -> bool:
    """Whether it was read. Any other exception than SubmissionError is this test's failure."""
    try:
        read()
        return True
    except SubmissionError as error:
        text = str(error)
        assert text.isprintable(), text
        assert len(text) < 500, text
        return False


def read_everything(data: bytes) -> None:
    for entry in list_archive(data, "a.zip"):
        if entry.read is not None:
            content = entry.read(LIMIT)
            assert len(content) <= LIMIT


def test_mutated_archives_are_read_or_refused() -> None:
    outcomes = [
        read_or_refuse(lambda data=data: read_everything(data)) for data in mutations(ROUNDS)
    ]
    assert len(outcomes) == ROUNDS
    # Both sides of the fence are reached; else the mutations are too tame or too wild.
    assert ROUNDS / 20 < sum(outcomes) < ROUNDS * 19 / 20


def test_mutated_archives_as_submissions_leave_the_disk_alone(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.mkdir()
    path = upload / "hw.zip"
    for data in mutations(max(200, ROUNDS // 10)):
        path.write_bytes(data)
        read_or_refuse(lambda: read_submission(path, WANTED, max_bytes=LIMIT))
        assert path.read_bytes() == data
    assert [entry.name for entry in tmp_path.rglob("*")] == ["upload", "hw.zip"]


@settings(derandomize=True, database=None, deadline=None, max_examples=200)
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\0"]),
    st.binary(max_size=2_000),
)
def test_bytes_at_random_behind_a_magic_number_are_read_or_refused(
    magic: bytes, rest: bytes
) -> None:
    read_or_refuse(lambda: read_everything(magic + rest))


PIECES = ["a", "/", "\\", ".", "..", ":", "C", " ", "\n", "\x1b", "\u202e", "é", "`"]
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join)


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    names=st.lists(NAMES.map(lambda name: f"{name}/operators.py") | NAMES, max_size=5),
    pack=st.sampled_from(["zip", "pax", "gnu"]),
)
def test_any_file_name_is_handled(tmp_path: Path, names: list[str], pack: str) -> None:
    buffer = io.BytesIO()
    if pack == "zip":
        with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as target:
            warnings.simplefilter("ignore", UserWarning)  # of names that are there twice
            for name in names:
                target.writestr(zipfile.ZipInfo(name), b"x")
    else:
        kind = tarfile.PAX_FORMAT if pack == "pax" else tarfile.GNU_FORMAT
        with tarfile.open(fileobj=buffer, mode="w", format=kind) as target:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 1
                target.addfile(member, io.BytesIO(b"x"))
    path = tmp_path / "hw.tar"
    path.write_bytes(buffer.getvalue())
    submission = read_submission(path, WANTED)
    assert set(submission.files) <= set(WANTED)
    assert all(note.isprintable() and len(note) < 1_000 for note in submission.notes)
