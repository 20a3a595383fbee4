"""What a student handed in: the wanted files out of a folder, a file or an archive, as bytes.

A submission is read once and then never looked at again on disk, so that what the rules judge
and what the worker runs are the same bytes. Reading never follows a link, never blocks on a
pipe, never writes, and has limits on files, bytes and entries. No student code runs while we
read, so only the last step of a path is guarded against being swapped, not each folder above it.

Which file counts: the one nearest to the top. Students wrap their files in a folder of their own,
so depth doesn't matter; but of two files at the same depth none counts, because to guess would be
to grade a matter of luck. Names must match exactly, as they must for Python's `import`.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import errno
import hashlib
import json
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from autograder.archive import (
    MAX_ARCHIVE_BYTES,
    Entry,
    archive_format,
    list_archive,
    shown,
    too_large,
)
from autograder.errors import SubmissionError
from autograder.folder import is_clutter, list_folder, read_file

__all__ = [
    "MAX_SUBMISSION_BYTES",
    "Submission",
    "choose_files",
    "only_archive",
    "read_submission",
]

MAX_SUBMISSION_BYTES = 2**20
"""What the wanted files may have together: some 20,000 lines of source."""

_MAX_NOTES = 20
_PATH_WIDTH = 1_000
_WIRE_FORMAT = "submission/1"


@dataclass(frozen=True, slots=True)
class Submission:
    """The wanted files that were found, and what is worth saying about the others.

    `files` maps a file's name to its content; `missing` are wanted names that weren't found, in
    the order they were asked for. `digest` is a SHA-256 in hexadecimal over names and contents:
    equal for equal files, whatever they came in. `notes` are lines for the student and the TA,
    safe to print.
    """

    files: Mapping[str, bytes] = field(hash=False)
    missing: tuple[str, ...]
    digest: str
    notes: tuple[str, ...]

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, bytes],
        wanted: Sequence[str] | None = None,
        *,
        notes: Iterable[str] = (),
    ) -> Submission:
        """A submission of exactly these files; `wanted` defaults to their names.

        Raises ValueError for a name that isn't a plain file name, and for a file not wanted.
        """
        names = _checked_names(files if wanted is None else wanted)
        unwanted = sorted(set(files) - set(names))
        if unwanted:
            raise ValueError(f"{unwanted[0]!r} is not among the wanted files")
        kept = {name: bytes(files[name]) for name in names if name in files}
        missing = tuple(name for name in names if name not in kept)
        return cls(MappingProxyType(kept), missing, _digest(kept), tuple(notes))

    def to_bytes(self) -> bytes:
        """This submission as JSON, for another process or machine."""
        files = {name: base64.b64encode(data).decode() for name, data in self.files.items()}
        fields = {
            "format": _WIRE_FORMAT,
            "files": files,
            "missing": self.missing,
            "notes": self.notes,
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Submission:
        """The inverse of `to_bytes`. Raises SubmissionError for any other bytes."""
        try:
            fields = json.loads(data)
            if fields["format"] != _WIRE_FORMAT:
                raise ValueError("unknown format")
            files = {
                name: base64.b64decode(text, validate=True)
                for name, text in fields["files"].items()
            }
            missing, notes = _texts(fields["missing"]), _texts(fields["notes"])
            return cls.from_files(files, [*files, *missing], notes=notes)
        except (
            AttributeError,
            KeyError,
            RecursionError,
            TypeError,
            ValueError,
            binascii.Error,
        ) as error:
            raise SubmissionError(
                f"these bytes are no submission that `to_bytes` wrote ({type(error).__name__}); "
                f"check that sender and receiver run the same version."
            ) from None

    def __reduce__(self) -> tuple[Callable[[bytes], Submission], tuple[bytes]]:
        # A mapping proxy can't be pickled, and process pools pickle what they send.
        return Submission.from_bytes, (self.to_bytes(),)


def read_submission(
    path: Path, wanted: Sequence[str], *, max_bytes: int = MAX_SUBMISSION_BYTES
) -> Submission:
    """Read the `wanted` files (plain names, each once) from a folder, one file, or an archive.

    Archives are .zip, .tar, .tar.gz, .tar.bz2 and .tar.xz, recognised by content. A single file
    counts under its own name, or as the wanted file when just one is wanted. A folder that holds
    no wanted file but one archive is read as that archive. The files may have `max_bytes` bytes
    together.

    A wanted file that isn't there is no error; it is listed in `missing`. Raises SubmissionError
    when nothing can be read at all: no such path, a link or a special file, a damaged, encrypted
    or unknown archive, or more than a limit allows. Raises ValueError if a wanted name isn't a
    plain file name.
    """
    names = _checked_names(wanted)
    where = shown(str(path), _PATH_WIDTH)
    mode = _mode(path, where)
    try:
        if stat.S_ISDIR(mode):
            entries = [entry for entry in list_folder(path, where) if not is_clutter(entry.path)]
            inner = only_archive(entries, names)
            if inner is not None:
                return _read_inner_archive(inner, path, names, max_bytes)
            return choose_files(entries, names, max_bytes, where)
        if path.suffix == ".py" or path.name in names:
            return _read_single(path, names, max_bytes)
        data = read_file(path, where, MAX_ARCHIVE_BYTES)
    except OSError as error:
        raise SubmissionError(f"{where}: {_reason(error)}; check its permissions.") from None
    if archive_format(data, where) is None:
        raise SubmissionError(
            f"{where}: this is neither a folder, nor a .py file, nor a .zip or .tar archive; "
            f"submit {_quoted(names)}."
        )
    return choose_files(list_archive(data, where), names, max_bytes, where)


def _mode(path: Path, where: str) -> int:
    try:
        mode = path.lstat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise SubmissionError(f"{where}: {_reason(error)}; check the path.") from None
    if stat.S_ISLNK(mode):
        # Unpacking a class's uploads restores the links in them, and one to the solution would
        # earn full marks.
        raise SubmissionError(
            f"{where}: this is a symbolic link, which is never followed; "
            f"name the file or folder itself."
        )
    if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
        raise SubmissionError(
            f"{where}: this is a pipe, socket or device; name a folder, a file or an archive."
        )
    return mode


def _read_single(path: Path, names: Sequence[str], max_bytes: int) -> Submission:
    data = read_file(path, shown(str(path), _PATH_WIDTH), max_bytes)
    if path.name in names:
        return Submission.from_files({path.name: data}, names)
    given = shown(path.name)
    if len(names) == 1:
        note = f"took `{given}` as `{names[0]}`, the one file that is wanted."
        return Submission.from_files({names[0]: data}, names, notes=[note])
    note = f"`{given}` is none of the wanted files ({_quoted(names)}); name it like one of them."
    return Submission.from_files({}, names, notes=[note])


def _read_inner_archive(
    entry: Entry, folder: Path, names: Sequence[str], max_bytes: int
) -> Submission:
    """Learning platforms export a folder per student, with the upload as it came inside."""
    where = shown(str(folder / entry.name), _PATH_WIDTH)
    data = read_file(folder / entry.name, where, MAX_ARCHIVE_BYTES)
    found = choose_files(list_archive(data, where), names, max_bytes, where)
    opened = f"opened `{shown(entry.name)}`, the only archive in the folder."
    return Submission.from_files(found.files, names, notes=[opened, *found.notes])


def only_archive(entries: Sequence[Entry], names: Sequence[str]) -> Entry | None:
    if any(entry.name in names for entry in entries):
        return None
    archives = [
        entry
        for entry in entries
        if len(entry.path) == 1 and entry.read is not None and _names_archive(entry.name)
    ]
    return archives[0] if len(archives) == 1 else None


def _names_archive(name: str) -> bool:
    return archive_format(b"", name) is not None


# --- which file counts ----------------------------------------------------------------------------


def choose_files(
    entries: Iterable[Entry], names: Sequence[str], max_bytes: int, where: str
) -> Submission:
    notes: list[str] = []
    by_path: dict[tuple[str, ...], Entry] = {}
    irregular: list[Entry] = []
    for entry in entries:
        if is_clutter(entry.path):
            continue
        if entry.read is None:
            irregular.append(entry)
            continue
        if entry.path in by_path and entry.name in names:
            # As unpacking would have it; tar appends a newer version in this way.
            notes.append(f"{_place(entry)} is there more than once; the last one was taken.")
        by_path[entry.path] = entry
    files: dict[str, bytes] = {}
    for name in names:
        chosen = _nearest([entry for path, entry in by_path.items() if path[-1] == name], notes)
        if chosen is None or chosen.read is None:
            continue
        try:
            files[name] = chosen.read(max_bytes)
        except OSError as error:
            notes.append(f"{_place(chosen)} can't be read: {_reason(error)}.")
        if sum(map(len, files.values())) > max_bytes:
            raise too_large(", ".join(files), max_bytes, where)
    missing = [name for name in names if name not in files]
    others = [entry for path, entry in by_path.items() if path[-1] not in names]
    notes += _notes_on_missing(missing, names, others)
    notes += _notes_on_irregular(irregular, names)
    if others:
        notes.append(f"ignored {len(others)} other file{'s' if len(others) > 1 else ''}.")
    notes = list(dict.fromkeys(notes))
    if len(notes) > _MAX_NOTES:
        notes[_MAX_NOTES - 1 :] = [f"… and {len(notes) - _MAX_NOTES + 1} more notes."]
    return Submission.from_files(files, names, notes=notes)


def _nearest(candidates: Sequence[Entry], notes: list[str]) -> Entry | None:
    """The candidate nearest to the top, unless several are; says what a reader can't guess."""
    if not candidates:
        return None
    depth = min(len(entry.path) for entry in candidates)
    nearest = [entry for entry in candidates if len(entry.path) == depth]
    chosen = nearest[0]
    if len(nearest) > 1:
        folders = sorted(f"`{_folder(entry)}`" for entry in nearest)
        notes.append(
            f"`{chosen.name}` is in {len(folders)} folders ({_listed(folders)}), and none was "
            f"taken: submit one."
        )
        return None
    if len(candidates) > 1:
        others = sorted(_place(entry) for entry in candidates if entry is not chosen)
        notes.append(f"took {_place(chosen)}, not {_listed(others)}.")
    elif depth > 1:
        notes.append(f"found `{chosen.name}` in folder `{_folder(chosen)}`.")
    return chosen


def _notes_on_missing(
    missing: Sequence[str], names: Sequence[str], others: Sequence[Entry]
) -> Iterator[str]:
    for name in missing:
        close = _close_match(name, others)
        if close is not None:
            yield (
                f"{_place(close)} looks like `{name}`, but only that very name counts: rename it."
            )
    if missing:
        archives = [_place(entry) for entry in others if _names_archive(entry.name)]
        if archives:
            yield (
                f"didn't look into {_listed(archives)}: submit {_quoted(names)} without another "
                f"archive around."
            )


def _close_match(name: str, others: Sequence[Entry]) -> Entry | None:
    """`Operators.py`, `operators (1).py`, `jane_operators.py`, `operater.py`, but not `test.py`."""
    suffix = Path(name).suffix.casefold()
    stem = Path(name).stem.casefold()
    pool: dict[str, Entry] = {}
    # Few people name a thousand files alike; hostile archives do.
    for entry in others[:1_000]:
        folded = entry.name.casefold()
        if folded.endswith(suffix) and not folded.startswith("test_"):
            pool.setdefault(folded, entry)
    alike = difflib.get_close_matches(name.casefold(), pool, n=1, cutoff=0.75)
    alike += [folded for folded in pool if stem in folded]
    return pool[alike[0]] if alike else None


def _notes_on_irregular(entries: Sequence[Entry], names: Sequence[str]) -> Iterator[str]:
    for entry in entries:
        if entry.name in names:
            yield f"{_place(entry)} was not taken: it is a {entry.kind}; submit the file itself."
    kinds = [entry.kind for entry in entries if entry.name not in names]
    if kinds:
        what = "1 entry that is" if len(kinds) == 1 else f"{len(kinds)} entries that are"
        yield f"ignored {what} no ordinary file ({', '.join(sorted(set(kinds)))})."


def _place(entry: Entry) -> str:
    return f"`{shown('/'.join(entry.path))}`"


def _folder(entry: Entry) -> str:
    return shown("/".join(entry.path[:-1])) + "/"


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is a symbolic link, which is never followed"
    text = (error.strerror if isinstance(error, OSError) else str(error)) or type(error).__name__
    return text[0].lower() + text[1:]


# --- names and digests ----------------------------------------------------------------------------


def _checked_names(names: Iterable[str]) -> tuple[str, ...]:
    checked = tuple(dict.fromkeys(names))
    for name in checked:
        plain = name not in ("", ".", "..") and name.isprintable() and not set(name) & set("/\\`")
        if not plain or len(name.encode()) > 255:
            raise ValueError(f"{name!r} is not a plain file name")
    return checked


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("not a list of texts")
    return value


def _digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over sorted names and contents, each behind its length so that no two can merge."""
    total = hashlib.sha256(_WIRE_FORMAT.encode() + b"\0")
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            total.update(len(part).to_bytes(8, "big"))
            total.update(part)
    return total.hexdigest()
