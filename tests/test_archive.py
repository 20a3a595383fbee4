"""Archives: what is taken from good ones, and how bad ones are refused."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Mapping

import pytest

from autograder import archive, archive_entry, tar
from autograder.archive import Entry, archive_format, list_archive, shown
from autograder.errors import SubmissionError

LIMIT = 2**20
SOURCE = b"def matmul(x, w):\n    return x @ w\n"


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        for name, content in files.items():
            target.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def tar_of(files: Mapping[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as target:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def tar_with(*members: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as target:
        for member in members:
            target.addfile(member, io.BytesIO(bytes(member.size)))
    return buffer.getvalue()


END = bytes(1024)


def tar_header(name: bytes, size_field: bytes = b"0" * 11, kind: bytes = b"0") -> bytes:
    """A ustar header with the right checksum, whatever its size field says."""
    header = bytearray(512)
    header[: len(name)] = name
    header[100:108] = b"0000644\0"
    header[124 : 124 + len(size_field)] = size_field
    header[148:156] = b" " * 8
    header[156:157] = kind
    header[257:265] = b"ustar\x0000"
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def pax_header(records: Mapping[str, str] | bytes) -> bytes:
    if not isinstance(records, bytes):
        member = tarfile.TarInfo("x")
        data = member._create_pax_generic_header(records, tarfile.XHDTYPE, "utf-8")
        return bytes(data)
    padding = bytes(-len(records) % 512)
    return tar_header(b"x", b"%011o\0" % len(records), b"x") + records + padding


def contents(entries: list[Entry], limit: int = LIMIT) -> dict[str, bytes]:
    return {"/".join(entry.path): entry.read(limit) for entry in entries if entry.read is not None}


def read_all(data: bytes, name: str, limit: int) -> None:
    contents(list_archive(data, name), limit)


def kinds(data: bytes) -> dict[str, str]:
    return {"/".join(entry.path): entry.kind for entry in list_archive(data, "a")}


FILES = {"operators.py": SOURCE, "hw1/notes.txt": b"", "hw1/deep/é.txt": b"\0\xff" * 300}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_gives_back_what_was_packed(method: int) -> None:
    assert contents(list_archive(zip_of(FILES, method), "a.zip")) == FILES


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_tar_gives_back_what_was_packed(kind: int, pack: object) -> None:
    assert callable(pack)
    assert contents(list_archive(pack(tar_of(FILES, kind)), "a.tar")) == FILES


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_in_a_tar_are_read_in_both_dialects(kind: int) -> None:
    name = "/".join(["folder" * 12] * 5) + "/operators.py"
    assert contents(list_archive(tar_of({name: SOURCE}, kind), "a.tar")) == {name: SOURCE}


def test_a_name_split_into_prefix_and_name_is_put_together() -> None:
    name = "p" * 120 + "/" + "operators.py"
    data = tar_of({name: SOURCE}, tarfile.USTAR_FORMAT)
    assert contents(list_archive(data, "a.tar")) == {name: SOURCE}


def test_compressed_streams_that_follow_each_other_are_one_tar() -> None:
    data = tar_of({"operators.py": SOURCE * 5_000})
    half = len(data) // 2
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        packed = pack(data[:half]) + pack(data[half:]) + b"\0" * 100
        entries = list_archive(packed, "a.tgz")
        assert contents(entries) == {"operators.py": SOURCE * 5_000}


class Unseekable(io.RawIOBase):
    """A stream, as zip writers see it that don't know sizes beforehand."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        self.written += data
        return len(data)


def test_zips_with_sizes_behind_the_data_or_in_zip64_fields_are_read() -> None:
    stream = Unseekable()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for name in ("a.py", "b.py"):
            with target.open(name, "w", force_zip64=name == "b.py") as member:
                member.write(SOURCE)
    found = contents(list_archive(bytes(stream.written), "a.zip"))
    assert found == {"a.py": SOURCE, "b.py": SOURCE}


def test_a_zip_behind_other_bytes_is_read() -> None:
    data = b"#!/bin/sh\nexit\n" + zip_of({"a.py": SOURCE})
    assert contents(list_archive(data, "a.zip")) == {"a.py": SOURCE}


def test_folders_are_no_entries() -> None:
    folder = tarfile.TarInfo("hw1")
    folder.type = tarfile.DIRTYPE
    assert kinds(tar_with(folder, tarfile.TarInfo("hw1/a.py"))) == {"hw1/a.py": "file"}
    assert kinds(zip_of({"hw1/": b"", "hw1/a.py": b""})) == {"hw1/a.py": "file"}


def test_an_archive_is_recognised_by_content_before_its_name() -> None:
    assert archive_format(zip_of({}), "hw.tar") == "zip"
    assert archive_format(gzip.compress(b""), "hw.zip") == "tar.gz"
    assert archive_format(tar_of({"a": b""}), "hw") == "tar"
    assert archive_format(b"", "HW.TAR.XZ") == "tar.xz"
    assert archive_format(SOURCE, "hw.py") is None


def test_empty_archives_have_no_entries() -> None:
    assert list_archive(zip_of({}), "a.zip") == []
    assert list_archive(bytes(10_240), "a.tar") == []


# --- names and kinds ------------------------------------------------------------------------------

OUTSIDE = "path that leads out of the archive"


@pytest.mark.parametrize(
    "name",
    [
        "../operators.py",
        "hw/../../operators.py",
        "/etc/operators.py",
        "C:/operators.py",
        "c:operators.py",
        "..\\operators.py",
        "\\\\host\\share\\operators.py",
    ],
)
def test_a_path_that_leads_out_of_the_archive_is_not_taken(name: str) -> None:
    for data in (zip_of({name: SOURCE}), tar_of({name: SOURCE})):
        (entry,) = list_archive(data, "a")
        assert (entry.name.split(":")[-1], entry.kind) == ("operators.py", OUTSIDE)
        assert entry.read is None


def test_backslashes_separate_folders_as_old_windows_packers_meant_them() -> None:
    data = zip_of({"hw1/operators.py": SOURCE}).replace(b"hw1/", b"hw1\\")
    assert contents(list_archive(data, "a.zip")) == {"hw1/operators.py": SOURCE}


@pytest.mark.parametrize("name", ["", "/", "./.", "a\0b", "a" * 5_000])
def test_an_impossible_name_is_an_entry_that_cannot_be_read(name: str) -> None:
    data = pax_header({"path": name}) + tar_header(b"ok") + END
    (entry,) = list_archive(data, "a.tar")
    assert entry.read is None


def test_a_tar_name_that_is_not_utf8_still_opens() -> None:
    data = tar_header("schön/operators.py".encode("latin-1"), b"%011o\0" % len(SOURCE))
    (entry,) = list_archive(data + SOURCE.ljust(512, b"\0") + END, "a.tar")
    assert entry.path == ("sch\ufffdn", "operators.py")
    assert entry.read is not None
    assert entry.read(LIMIT) == SOURCE


@pytest.mark.parametrize(
    ("tar_type", "kind"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "special file"),
        (tarfile.BLKTYPE, "special file"),
        (tarfile.FIFOTYPE, "special file"),
        (b"V", "special file"),
        (b"Z", "special file"),
    ],
)
def test_links_and_devices_in_a_tar_are_never_read(tar_type: bytes, kind: str) -> None:
    member = tarfile.TarInfo("operators.py")
    member.type, member.linkname = tar_type, "/etc/passwd"
    (entry, after) = list_archive(tar_with(member, tarfile.TarInfo("after.py")), "a.tar")
    assert (entry.kind, entry.read, after.name) == (kind, None, "after.py")


@pytest.mark.parametrize(
    ("mode", "kind"), [(0o120777, "symbolic link"), (0o010644, "special file")]
)
def test_links_and_pipes_in_a_zip_are_never_read(mode: int, kind: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        info = zipfile.ZipInfo("operators.py")
        info.create_system, info.external_attr = 3, mode << 16
        target.writestr(info, "/etc/passwd")
    (entry,) = list_archive(buffer.getvalue(), "a.zip")
    assert (entry.kind, entry.read) == (kind, None)


def test_sparse_files_are_never_read() -> None:
    extended = bytearray(tar_header(b"operators.py", b"%011o\0" % 512, b"S"))
    extended[482] = 1
    extended[148:156] = b" " * 8
    extended[148:156] = b"%06o\0 " % sum(extended)
    old = bytes(extended) + bytes(1024) + tar_header(b"after.py") + END
    assert kinds(old) == {"operators.py": "sparse file", "after.py": "file"}
    new = pax_header({"GNU.sparse.major": "1"}) + tar_header(b"operators.py") + END
    assert kinds(new) == {"operators.py": "sparse file"}


def test_the_same_name_twice_gives_two_entries_in_order() -> None:
    first, second = tar_of({"a.py": b"1"})[:1024], tar_of({"a.py": b"2"})
    assert [entry.read(9) for entry in list_archive(first + second, "a") if entry.read] == [
        b"1",
        b"2",
    ]


def test_archives_within_are_files_like_others() -> None:
    inner = zip_of({"operators.py": SOURCE})
    assert kinds(zip_of({"inner.zip": inner})) == {"inner.zip": "file"}


# --- limits ---------------------------------------------------------------------------------------


def assert_refused(data: bytes, wording: str, name: str = "up/a.zip", limit: int = LIMIT) -> None:
    """Refused with these words, in bounded time and memory."""
    tracemalloc.start()
    begun = time.perf_counter()
    try:
        with pytest.raises(SubmissionError) as caught:
            read_all(data, name, limit)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    text = str(caught.value)
    assert text.startswith(f"{name}: "), text
    assert wording in text, text
    assert "\n" not in text
    assert peak < 4 * archive.MAX_UNPACKED_BYTES
    assert time.perf_counter() - begun < 30


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_file_beyond_the_limit_is_refused_before_it_is_unpacked(method: int) -> None:
    assert_refused(zip_of({"a.py": bytes(LIMIT + 1)}, method), "1 MiB is the most for a.py")
    assert_refused(tar_of({"a.py": bytes(LIMIT + 1)}), "1 MiB is the most for a.py")
    assert_refused(zip_of({"a.py": b"12345"}), "4 bytes is the most", limit=4)


def test_a_header_that_understates_a_size_gains_nothing() -> None:
    bomb = bytearray(zip_of({"a.py": bytes(50 * 2**20)}))
    central = bomb.rindex(b"PK\x01\x02")
    bomb[central + 24 : central + 28] = struct.pack("<I", 1000)
    assert_refused(bytes(bomb), "damaged (`a.py`: Bad CRC-32")


def test_a_header_that_overstates_a_size_is_damage() -> None:
    data = bytearray(zip_of({"a.py": SOURCE}))
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 1000)
    assert_refused(bytes(data), "another size than its header says")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_compressed_bomb_stops_at_the_limit(pack: object) -> None:
    assert callable(pack)
    bomb = pack(bytes(archive.MAX_UNPACKED_BYTES + 2**20))
    assert_refused(bomb, "unpacks to more than 64 MiB")


def test_an_xz_header_that_asks_for_gigabytes_of_memory_is_refused() -> None:
    packed = bytearray(lzma.compress(bytes(1000), preset=0))
    # Behind the 12 bytes of stream header: the block header, with the size of the dictionary as
    # its fifth byte and its own CRC-32 at the end.
    end = 12 + (packed[12] + 1) * 4
    packed[16] = 38  # 2 GiB
    packed[end - 4 : end] = struct.pack("<I", zlib.crc32(packed[12 : end - 4]))
    assert_refused(bytes(packed), "damaged (Memory usage limit exceeded)", "a.tar.xz")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_million_empty_streams_cost_no_time(pack: object) -> None:
    assert callable(pack)
    assert_refused(pack(b"") * 200_000, "more than 1,000 compressed streams")


def test_too_many_entries_are_refused_before_they_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {f"{number}.py": b"" for number in range(21)}
    assert len(list_archive(zip_of(names), "a")) == 21
    for module in (archive, archive_entry, tar):
        monkeypatch.setattr(module, "MAX_ENTRIES", 20)
    assert_refused(zip_of(names), "more than 20 entries; submit only your own files")
    assert_refused(tar_of(names, tarfile.USTAR_FORMAT), "more than 20 entries")
    assert (
        len(list_archive(tar_of(dict(list(names.items())[:20]), tarfile.USTAR_FORMAT), "a")) == 20
    )


def test_a_hundred_thousand_entries_are_listed_in_seconds() -> None:
    header = tar_header(b"hw/x.py")
    assert len(list_archive(header * 100_000 + END, "a.tar")) == 100_000
    with pytest.raises(SubmissionError, match=r"more than 100,000 entries; submit only your own"):
        list_archive(header * 100_001 + END, "a.tar")


# --- damage ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "wording"),
    [
        (b"", "the file is empty; upload it again"),
        (b"Rar!\x1a\x07\x01\x00", "a rar archive; pack the files as a .zip"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (b"PK\x03\x04 and no more", "damaged (File is not a zip file)"),
        (gzip.compress(SOURCE), "holds no tar archive"),
        (gzip.compress(tar_of(FILES))[:-9], "damaged (it ends too early)"),
        (bz2.compress(tar_of(FILES))[:-9], "damaged (it ends too early)"),
        (lzma.compress(tar_of(FILES))[:-9], "damaged (it ends too early)"),
        (gzip.compress(tar_of(FILES))[:40] + bytes(40), "damaged"),
        (tar_of(FILES)[:600], "damaged (it ends too early)"),
        (tar_of(FILES).rstrip(b"\0") + bytes(300), "damaged (it ends too early)"),
        (tar_header(b"a")[:300], "damaged (it ends too early)"),
        (tar_header(b"a", b"%011o\0" % 900) + bytes(512), "damaged (it ends within `a`)"),
        (tar_header(b"a", b"\xff" * 12), "no valid size"),
        (tar_header(b"a", b"-0000000001\0"), "no valid size"),
        (tar_header(b"a", b"0x1\0"), "no valid size"),
        (tar_header(b"a", b"\x80" + b"\xff" * 11), "it ends within `a`"),
        (tar_header(b"a") + b"x" * 512, "checksum is wrong"),
        (tar_header(b"x", b"%011o\0" % 2**24, b"x") + bytes(2**24), "a header is too long"),
        (tar_header(b"x", b"%011o\0" % 2**24, b"L") + bytes(2**24), "a header is too long"),
        (tar_header(b"x", b"%011o\0" % 2**24, b"g"), "ends within a header"),
    ],
)
def test_damage_is_named_in_one_line(data: bytes, wording: str) -> None:
    assert_refused(data, wording)


@pytest.mark.parametrize(
    "record",
    [
        b"0 a=b\n",
        b"-9 a=b\n",
        b"6 a=b",
        b"99 a=b\n",
        b"x a=b\n",
        b"6 abc\n",
        b"9" * 5_000 + b" a=b\n",
        b"18446744073709551617 a=b\n",
        b"18 size=-99999999\n",
        b"12 size=1e9\n",
        b"\n",
        b"6 a=b\n7",
    ],
)
def test_malformed_pax_headers_are_refused(record: bytes) -> None:
    assert_refused(pax_header(record) + tar_header(b"a.py") + END, "a pax header")


def test_long_pax_headers_take_linear_time() -> None:
    data = pax_header(b"6 a=b\n" * 170_000 + b"5 c=\n") + tar_header(b"a.py") + END
    begun = time.perf_counter()
    assert kinds(data) == {"a.py": "file"}
    assert time.perf_counter() - begun < 10


def test_an_encrypted_file_says_so() -> None:
    data = bytearray(zip_of({"a.py": SOURCE}))
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    assert_refused(bytes(data), "`a.py` is encrypted; pack the archive again without a password")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_rare_compression_in_a_zip_is_refused(method: int) -> None:
    assert_refused(zip_of({"a.py": SOURCE}, method), f"(number {method}); pack it as a plain .zip")


def test_a_zip_name_that_claims_utf8_and_is_not_is_damage() -> None:
    data = zip_of({"é.py": SOURCE}).replace("é".encode(), b"\xff\xfe")
    assert_refused(data, "a file name isn't valid UTF-8")


def test_overlapping_entries_are_refused() -> None:
    inner = zip_of({"b.py": SOURCE}, zipfile.ZIP_STORED)
    local = inner[: inner.index(b"PK\x01\x02")]
    outer = zip_of({"a.py": local}, zipfile.ZIP_STORED)
    split = outer.index(b"PK\x01\x02")
    ends = outer.index(b"PK\x05\x06")
    second = bytearray(inner[inner.index(b"PK\x01\x02") : inner.index(b"PK\x05\x06")])
    second[42:46] = struct.pack("<I", outer.index(local[:4], 1))
    directory = outer[split:ends] + bytes(second)
    end = bytearray(outer[ends:])
    end[8:16] = struct.pack("<HHI", 2, 2, len(directory))
    assert_refused(outer[:split] + directory + bytes(end), "`a.py` overlaps the next entry")


def test_a_truncated_zip_is_refused_wherever_it_ends() -> None:
    data = zip_of(FILES)
    for length in range(1, len(data)):
        with pytest.raises(SubmissionError):
            list_archive(data[:length], "a.zip")


def test_a_zip_entry_without_a_name_is_no_file() -> None:
    data = zip_of({"n": SOURCE})
    start = data.index(b"PK\x01\x02")
    directory = bytearray(data[start:])
    directory[28:30] = b"\0\0"
    del directory[46]
    directory[-10:-6] = struct.pack("<I", len(directory) - 22)
    (entry,) = list_archive(data[:start] + bytes(directory), "a.zip")
    assert (entry.kind, entry.read) == ("file without a name", None)


# --- names in messages ----------------------------------------------------------------------------


def test_shown_names_are_one_harmless_line() -> None:
    assert shown("operators (é).py") == "operators (é).py"
    assert shown("a\x1b[31m\n\u202e`.py") == "a\\x1b[31m\\n\\u202e'.py"
    assert shown("\udcff.py") == "\\udcff.py"
    assert shown("a" * 500) == "a" * 40 + "…" + "a" * 40
    assert shown("a" * 500, 1000) == "a" * 500
    assert len(shown("\n" * 10**6)) == 81
