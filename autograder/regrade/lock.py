"""One writer per store: a lock that its holder can't leave behind."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from autograder.errors import InputError

__all__ = ["StoreLock"]


class StoreLock:
    """`<store>.lock`, locked by flock for as long as a run lasts. Use it as a context manager.

    The kernel drops the lock with its holder, however that ends; what the file says is only for
    the line that the second run prints. Raises InputError if another process holds it.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._path = store.with_name(store.name + ".lock")
        self._descriptor = -1

    def __enter__(self) -> StoreLock:
        while self._descriptor < 0:
            self._try()
        return self

    def __exit__(self, *exc: object) -> None:
        # Unlinked while it is still ours: who waits for this file sees that it is gone.
        with suppress(OSError):
            self._path.unlink()
        os.close(self._descriptor)
        self._descriptor = -1

    def _try(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise InputError(
                f"{self._path}: can't be locked ({error.strerror}); choose another --store"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise InputError(
                f"{self._store}: another run is writing to it ({holder}); "
                "wait for it, or choose another --store"
            ) from None
        if not self._is_current(descriptor):
            os.close(descriptor)
            return
        os.ftruncate(descriptor, 0)
        with suppress(OSError):  # a full disk: the lock holds, only its label is missing
            os.write(descriptor, json.dumps(_label()).encode())
        self._descriptor = descriptor

    def _is_current(self, descriptor: int) -> bool:
        """Whether the file we locked is still the one at its path, not just removed by another."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(descriptor)
        return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _label() -> dict[str, object]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's uid without a name
        user = str(os.getuid())
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "user": user, "since": since}


def _holder(descriptor: int) -> str:
    try:
        label = json.loads(os.pread(descriptor, 4096, 0))
        return (
            f"process {label['pid']} of {label['user']} on {label['host']} since {label['since']}"
        )
    except (ValueError, KeyError, TypeError, OSError):
        return "which one isn't known"
