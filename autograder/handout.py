"""What students get, generated from the solution: stubs, public tests, README and settings."""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import os
import stat
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from autograder.errors import HandoutError
from autograder.stub import marker_pairs, parse, render_stub

__all__ = [
    "MANIFEST",
    "REQUIREMENTS",
    "build_handout",
    "drift",
    "drift_diff",
    "write_handout",
    "zip_handout",
]

REQUIREMENTS = (
    "torch>=2.13,<2.14",
    "numpy>=2.0,<3",
    "pytest>=9,<10",
    "hypothesis>=6.150,<7",
    "jaxtyping>=0.3,<0.4",
)
"""What students install: our own constraints, but any patch release of torch will do."""

MANIFEST = ".handout-manifest"
"""Lists the generated files of a folder, in the format of `sha256sum --check`."""

_PYTEST_INI = """\
# {title}
[pytest]
testpaths = test_public.py
pythonpath = .
addopts = --tb=short
# A warning never costs points; those of libraries would only hide what your tests say.
filterwarnings =
    default
    ignore::DeprecationWarning:torch
    ignore::DeprecationWarning:jaxtyping
"""
_GITIGNORE = "__pycache__/\n.pytest_cache/\n.hypothesis/\n.venv/\n"
_VSCODE = {
    "python.testing.pytestEnabled": True,
    "python.testing.unittestEnabled": False,
}
_NOT_FOR_STUDENTS = frozenset({"README.md", "test_public.py", "misconceptions.py", "conftest.py"})


def build_handout(
    solution_dir: Path,
    *,
    files: Sequence[str],
    assignment_id: str,
    title: str,
    requirements: Sequence[str] = REQUIREMENTS,
) -> Mapping[str, bytes]:
    """All files of a handout, by their path in it, in UTF-8 with LF line ends.

    `files` are the solution's modules, each of which becomes a stub. Nothing else of the
    solution's folder but README.md and test_public.py gets in. Raises HandoutError.
    """
    stubs = {}
    for name in files:
        if name in _NOT_FOR_STUDENTS or PurePosixPath(name).name != name:
            raise HandoutError(
                f"{solution_dir / name}: this can't be a stub; take it off the list."
            )
        stubs[name] = render_stub(_read_text(solution_dir / name), str(solution_dir / name))
    tests = _read_text(solution_dir / "test_public.py")
    _, comments, _ = parse(tests, str(solution_dir / "test_public.py"))
    for opening, _ in marker_pairs(comments, str(solution_dir / "test_public.py")):
        raise HandoutError(
            f"{solution_dir / 'test_public.py'}:{opening.start[0]}: public tests are handed out "
            f"whole, with what is between markers; move it elsewhere."
        )
    texts = {
        **stubs,
        "README.md": _readme(_read_text(solution_dir / "README.md"), assignment_id, title),
        "test_public.py": tests,
        "requirements.txt": "".join(f"{line}\n" for line in requirements),
        "pytest.ini": _PYTEST_INI.format(title=_one_line(title)),
        ".gitignore": _GITIGNORE,
        ".vscode/settings.json": json.dumps(_VSCODE, indent=2) + "\n",
    }
    return {name: texts[name].encode() for name in sorted(texts)}


def _readme(text: str, assignment_id: str, title: str) -> str:
    notice = (
        f"<!-- Generated from solutions/{assignment_id}/README.md by "
        f"`autograder handout {assignment_id}`; edit it there. -->\n\n"
    )
    heading = "" if text.startswith("# ") else f"# {_one_line(title)}\n\n"
    return notice + heading + text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _read_text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise HandoutError(f"{path}: the file is missing; add it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise HandoutError(f"{path}: can't be read ({error}); save it as UTF-8.") from None
    if not text.strip():
        raise HandoutError(f"{path}: the file is empty; write it.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# --- on disk --------------------------------------------------------------------------------------

_LEFT_BY_TOOLS = frozenset(
    {"__pycache__", ".pytest_cache", ".hypothesis", ".ruff_cache", ".mypy_cache", ".venv"}
    | {".DS_Store", ".ipynb_checkpoints"}
)


def write_handout(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """Make the folder hold these files; returns a line for each change and each oddity.

    A file that an earlier handout had and this one hasn't is removed if it is still as it was
    generated; any other file is left alone, and named. Each file is replaced in one step, and one
    that is right already isn't touched. Raises HandoutError if the disk refuses.
    """
    expected = _with_manifest(files)
    known = _read_manifest(directory)
    lines = []
    try:
        for name, content in expected.items():
            path = directory / name
            if path.is_symlink() or not path.is_file() or path.read_bytes() != content:
                _replace(path, content)
                if name != MANIFEST:
                    lines.append(f"{path}: written.")
        for path in _extra_files(directory, expected):
            name = path.relative_to(directory).as_posix()
            if known.get(name) == _sha256(path.read_bytes()) and not path.is_symlink():
                path.unlink()
                lines.append(f"{path}: removed, the handout has it no more.")
            else:
                lines.append(f"{path}: left alone, it isn't generated; move or delete it.")
    except OSError as error:
        raise HandoutError(
            f"{error.filename or directory}: can't be written ({error.strerror}); "
            f"check the folder's permissions."
        ) from None
    return lines


def drift(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """One line for each file that is missing, different, or not generated; none if all is well."""
    command = f"run `autograder handout {directory.name}`"
    lines = []
    for name, content in _with_manifest(files).items():
        path = directory / name
        if not path.is_file():
            lines.append(f"{path}: missing; {command}.")
        elif (found := path.read_bytes()) != content:
            number = _first_difference(found, content)
            lines.append(f"{path}:{number}: differs from what the solution gives; {command}.")
    lines += [
        f"{path}: not generated; move it to the solution's folder or delete it."
        for path in _extra_files(directory, _with_manifest(files))
    ]
    return lines


def drift_diff(directory: Path, files: Mapping[str, bytes], *, limit: int = 60) -> str:
    """What `write_handout` would change in files that are there, as a unified diff.

    At most `limit` lines, and a last one that says how many more there are.
    """
    lines: list[str] = []
    for name, content in sorted(files.items()):
        path = directory / name
        if path.is_file() and (found := path.read_bytes()) != content:
            old, new = (data.decode("utf-8", "replace").splitlines() for data in (found, content))
            lines += difflib.unified_diff(old, new, str(path), "generated", n=1, lineterm="")
    if len(lines) > limit:
        lines[limit:] = [f"… and {len(lines) - limit} more lines."]
    return "".join(f"{line}\n" for line in lines)


def zip_handout(files: Mapping[str, bytes], path: Path, root_name: str) -> None:
    """Write a zip with all files in one folder: the same bytes for the same files, anywhere."""
    buffer = io.BytesIO()
    # Not compressed: compressed bytes differ between versions of zlib, and the files are small.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(f"{_checked(root_name)}/{_checked(name)}")  # dated 1980
            member.create_system = 3  # Unix, on Windows too, for the mode to count
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(member, files[name])
    try:
        _replace(path, buffer.getvalue())
    except OSError as error:
        raise HandoutError(f"{path}: can't be written ({error.strerror}); try another.") from None


def _with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    lines = [f"{_sha256(files[name])}  {_checked(name)}\n" for name in sorted(files)]
    return {**{name: files[name] for name in sorted(files)}, MANIFEST: "".join(lines).encode()}


def _read_manifest(directory: Path) -> dict[str, str]:
    """File name to SHA-256; empty if there is none. Nothing is believed but that pair."""
    path = directory / MANIFEST
    text = path.read_text("utf-8", "replace") if path.is_file() else ""
    pairs = (line.split("  ", 1) for line in text.splitlines() if "  " in line)
    return {name: digest for digest, name in pairs}


def _extra_files(directory: Path, expected: Mapping[str, bytes]) -> list[Path]:
    return [
        path
        for path in sorted(directory.rglob("*"))
        if (path.is_symlink() or not path.is_dir())
        and path.relative_to(directory).as_posix() not in expected
        and not _LEFT_BY_TOOLS.intersection(path.relative_to(directory).parts)
    ]


def _replace(path: Path, content: bytes) -> None:
    """Write a file in one step: a reader, or a crash, sees the old content or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=".handout-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name or name == ".":
        raise ValueError(f"{name!r} is not a plain relative path")
    return name


def _first_difference(old: bytes, new: bytes) -> int:
    pairs = zip(old.split(b"\n"), new.split(b"\n"), strict=False)
    same = next((number for number, (a, b) in enumerate(pairs, 1) if a != b), None)
    return same if same is not None else min(old.count(b"\n"), new.count(b"\n")) + 1


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
