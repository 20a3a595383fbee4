"""One measurement at a time per device, whichever process asks."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autograder.errors import GraderError

__all__ = ["exclusive", "identity"]

_PAUSE_SECONDS = 0.05


def identity(device: str) -> str:
    """A name for the device itself: "cuda" may be another GPU in each process."""
    if not device.startswith("cuda"):
        return device
    import torch

    return f"cuda-{torch.cuda.get_device_properties(torch.device(device)).uuid}"


@contextmanager
def exclusive(
    device: str, *, patience: float = 600.0, folder: Path | None = None
) -> Iterator[None]:
    """Hold the lock of a device (its `identity`); wait for others up to `patience` seconds.

    The lock is the kernel's, on an open file: it ends with its holder, however that dies. Raises
    GraderError when the wait is over.
    """
    folder = Path(tempfile.gettempdir()) if folder is None else folder
    path = folder / f"autograder-{os.getuid()}-{device.replace(':', '-')}.lock"
    try:
        # Not through a link that somebody else put there.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise GraderError(f"{path}: can't lock {device} for timing: {error.strerror}") from None
    try:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise GraderError(
                        f"{device} was being timed on by another process for {patience:g} s; "
                        "use fewer jobs, or wait for it"
                    ) from None
                time.sleep(_PAUSE_SECONDS)
        yield
    finally:
        os.close(descriptor)
