"""Writing a report: all of it, or nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

from autograder.errors import InputError

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes) -> None:
    """Replace `path` at once; a reader never sees half of it.

    Raises InputError, in one line, if it can't be written.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file")
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=".autograder-", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(data)
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: can't be written: {error.strerror}; choose another") from None
