"""Archives with the same bytes wherever they are made: fixed times, owners, modes and order."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import InputError

__all__ = ["Member", "make_tar", "make_zip", "write_file", "write_folder"]

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive."""

    content: bytes
    executable: bool = False

    @property
    def mode(self) -> int:
        return 0o755 if self.executable else 0o644


def make_zip(members: Mapping[str, Member]) -> bytes:
    """A zip with Unix modes. Not compressed, as compressed bytes differ between zlibs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = _UNIX
            info.external_attr = (0o100000 | members[name].mode) << 16
            archive.writestr(info, members[name].content)
    return buffer.getvalue()


def make_tar(members: Mapping[str, Member]) -> bytes:
    """An uncompressed tar; everything belongs to root and dates from the epoch."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size = len(members[name].content)
            info.mode = members[name].mode
            archive.addfile(info, io.BytesIO(members[name].content))
    return buffer.getvalue()


def write_file(path: Path, member: Member) -> None:
    """Write one file. Raises InputError if that can't be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_bytes(member.content)
        temporary.chmod(member.mode)
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}: can't be written ({error.strerror}); choose another --out"
        ) from None


def write_folder(folder: Path, members: Mapping[str, Member]) -> None:
    """Write all files below a folder; others that are there stay."""
    for name, member in members.items():
        write_file(folder / name, member)
