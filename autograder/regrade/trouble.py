"""What SQLite can't do, in one line that says what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from autograder.errors import GraderError, InputError

__all__ = ["explain"]


def explain(path: Path, error: sqlite3.Error) -> InputError | GraderError:
    """SQLite's error as one line that says what to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name == "SQLITE_NOTADB":
        return InputError(f"{path}: not a store; name another file")
    if name.startswith("SQLITE_CANTOPEN"):
        return InputError(f"{path}: can't be opened; check the folder and its permissions")
    if name.startswith("SQLITE_READONLY"):
        return InputError(f"{path}: can't be written (read-only); copy it, or choose another store")
    if name.startswith("SQLITE_BUSY"):
        return InputError(f"{path}: locked by another program; close it and try again")
    if name == "SQLITE_FULL" or name.startswith("SQLITE_IOERR"):
        return GraderError(
            f"{path}: the disk is full or failing ({error}); what was stored is safe: "
            "make room and run the same command again"
        )
    if name.startswith("SQLITE_CORRUPT"):
        return GraderError(f"{path}: the store is damaged ({error}); restore a copy of it")
    return GraderError(f"{path}: {error}")
