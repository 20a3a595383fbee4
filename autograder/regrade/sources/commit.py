"""When a clone's checked-out commit was made, without trusting the clone.

A repository's own configuration can name programs that git would run, and a student may have
written it. So git is run in an empty repository of ours, which borrows nothing from the clone but
its objects. The time itself is the committer's claim: whoever wants to hand in late can forge it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

__all__ = ["commit_time"]

_SECONDS = 10
_MAX_BYTES = 2**20
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def commit_time(git_folder: Path) -> datetime | None:
    """The committer's time of HEAD, in UTC; None if there is no telling (or no git here)."""
    git, empty = shutil.which("git"), _empty_repository()
    if git is None or empty is None or not git_folder.is_dir():
        return None
    commit = _head(git_folder)
    if commit is None:
        return None
    surroundings = {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_DIR": empty,
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((git_folder / "objects").resolve()),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }
    try:
        done = subprocess.run(  # noqa: S603 (git itself, with a hash that was checked)
            [git, "cat-file", "commit", commit],
            env=surroundings, capture_output=True, timeout=_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    header = done.stdout[:_MAX_BYTES].partition(b"\n\n")[0]
    match = re.search(rb"^committer .*> ([0-9]{1,11}) [+-][0-9]{4}$", header, re.MULTILINE)
    try:
        return None if match is None else datetime.fromtimestamp(int(match[1]), UTC)
    except (ValueError, OSError, OverflowError):
        return None


def _head(git_folder: Path) -> str | None:
    """The hash that HEAD stands for: itself, through a loose ref, or through packed-refs."""
    text = _read(git_folder / "HEAD")
    if not text.startswith("ref: "):
        return text if _HASH.fullmatch(text) else None
    name = text.removeprefix("ref: ").strip()
    if not re.fullmatch(r"refs/[A-Za-z0-9._/+@-]{1,200}", name) or ".." in name:
        return None
    loose = _read(git_folder / name)
    if _HASH.fullmatch(loose):
        return loose
    for line in _read(git_folder / "packed-refs").splitlines():
        commit, _, packed = line.partition(" ")
        if packed == name and _HASH.fullmatch(commit):
            return commit
    return None


def _read(path: Path) -> str:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags), "rb") as stream:
            return stream.read(_MAX_BYTES).decode("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""


@cache
def _empty_repository() -> str | None:
    """A bare repository without anything, removed when this process ends."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="autograder-git-")
        for part in ("objects", "refs"):
            (Path(folder.name) / part).mkdir()
        (Path(folder.name) / "HEAD").write_text("ref: refs/heads/main\n")
    except OSError:
        return None
    _kept.append(folder)
    return folder.name


_kept: list[tempfile.TemporaryDirectory[str]] = []
