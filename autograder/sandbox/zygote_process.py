"""The grader's handle on its zygote: a process started by exec, and the socket that it obeys."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autograder.errors import SandboxError

__all__ = ["ZygoteDiedError", "ZygoteProcess"]

_START_SECONDS = 180.0
"""Importing torch on a cold, half-CPU host takes a minute; this only catches a hang."""
_ORDER_SECONDS = 60.0
_EXIT_SECONDS = 10.0
_MAX_MESSAGE = 1 << 16

_ENVIRONMENT = {
    # One thread: torch's fork safety, fair timing, and no surprise in a half-CPU container.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # Each arena reserves 64 MiB of the address space that is limited.
    "MALLOC_ARENA_MAX": "2",
    # The order of a set must not decide about a grade.
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
_ENVIRONMENT_KEPT = ("PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "TRITON_INTERPRET")
"""What else of the grader's environment gets through: where programs and libraries are."""


class ZygoteDiedError(Exception):
    """The zygote is gone, or can't be talked to any more."""


class ZygoteProcess:
    """A running zygote. After a failed order it is of no use and should be closed."""

    def __init__(self, config: Mapping[str, Any], *, scratch: bool) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # What it says before it can speak; a file in memory leaves nothing behind.
        self._errors = os.memfd_create("zygote-stderr")
        # A fork of the grader has copies of all this, and runs finalizers when it exits.
        self.owner = os.getpid()
        self._ready = False
        self._broken = False
        self._forking = False
        self._forked: tuple[dict[str, Any], list[int]] | None = None
        self._scratch = _make_scratch_root() if scratch else None
        config = {**config, "grader": self.owner, "scratch": self._scratch}
        # Not -I: it would also ignore PYTHONHASHSEED, and the environment holds only what we set.
        command = [sys.executable, "-P", "-s", "-B", str(Path(__file__).with_name("__main__.py"))]
        kept = {name: os.environ[name] for name in _ENVIRONMENT_KEPT if name in os.environ}
        try:
            self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and file)
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                env=kept | _ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                # The terminal's Ctrl-C is for the grader, who decides what becomes of workers.
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            self._control.close()
            os.close(self._errors)
            raise SandboxError(f"can't start the sandbox: {error}") from error
        finally:
            theirs.close()
        self.pid = self._process.pid
        with contextlib.suppress(OSError):
            self._control.send(json.dumps(config).encode())

    @property
    def usable(self) -> bool:
        """Whether the process runs and every order so far was answered."""
        return not self._broken and self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Raises SandboxError if the zygote failed to start."""
        if self._ready:
            return
        answer: dict[str, Any] = {}
        self._control.settimeout(_START_SECONDS)
        with contextlib.suppress(OSError):
            message = self._control.recv(_MAX_MESSAGE)
            answer = json.loads(message) if message else {}
        if "ready" not in answer:
            self._broken = True
            reason = answer.get("failed") or self.last_words() or "it gave no reason"
            raise SandboxError(f"the sandbox's zygote didn't start: {reason}")
        self._control.settimeout(_ORDER_SECONDS)
        self._ready = True

    def order_worker(self, theirs: socket.socket) -> None:
        """Have a worker forked that serves on `theirs`, without waiting for it.

        One at a time: `collect_worker` comes before the next. Raises ZygoteDiedError.
        """
        self._forking = True
        self._send({"op": "spawn"}, [theirs.fileno()])

    def collect_worker(self) -> tuple[int, int]:
        """The pid and a pidfd of the worker that was ordered.

        Raises ZygoteDiedError, or SandboxError if the zygote lives but can't fork.
        """
        answer, descriptors = self._forked or self._receive()
        self._forking, self._forked = False, None
        if "failed" in answer:
            raise SandboxError(f"the sandbox can't start a worker: {answer['failed']}")
        return answer["pid"], descriptors[0]

    def reap(self, pid: int) -> int | None:
        """Wait for a worker that is dead or dying; its wait status, None if it hangs.

        Raises ZygoteDiedError.
        """
        status = self._order({"op": "reap", "pid": pid})["status"]
        return None if status is None else int(status)

    def discard(self, pid: int) -> None:
        """Have a worker killed and reaped in good time, without waiting for it."""
        with contextlib.suppress(OSError):
            self._control.send(json.dumps({"op": "discard", "pid": pid}).encode())

    def close(self) -> None:
        """End the zygote and with it all its workers; force it if it doesn't go by itself."""
        self._control.close()
        if self._forked is not None:
            for descriptor in self._forked[1]:
                os.close(descriptor)
            self._forked = None
        if os.getpid() != self.owner:
            return
        try:
            # While it still imports torch it doesn't listen, and has no workers either.
            self._process.wait(timeout=_EXIT_SECONDS if self._ready else 0.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def last_words(self) -> str:
        """The last line that the zygote or a worker wrote to its standard error."""
        size = os.fstat(self._errors).st_size
        tail = os.pread(self._errors, _MAX_MESSAGE, max(0, size - _MAX_MESSAGE))
        lines = tail.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""

    def _order(self, order: Mapping[str, Any]) -> dict[str, Any]:
        if self._forking and self._forked is None:
            # Answers come in the order of the orders.
            self._forked = self._receive()
        self._send(order, [])
        return self._receive()[0]

    def _send(self, order: Mapping[str, Any], descriptors: list[int]) -> None:
        try:
            socket.send_fds(self._control, [json.dumps(order).encode()], descriptors)
        except OSError as error:
            self._broken = True
            raise ZygoteDiedError(str(error)) from error

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        try:
            message, received, _, _ = socket.recv_fds(self._control, _MAX_MESSAGE, 1)
        except OSError as error:
            self._broken = True
            raise ZygoteDiedError(str(error)) from error
        except BaseException:
            # Interrupted between order and answer: the next answer would be to the wrong order.
            self._broken = True
            raise
        if not message:
            self._broken = True
            raise ZygoteDiedError(self.last_words() or "it hung up")
        return json.loads(message), list(received)


def _make_scratch_root() -> str:
    """The folder that holds the workers' scratch folders; they may pass through, not look."""
    root = tempfile.mkdtemp(prefix="autograder-scratch-")
    Path(root).chmod(0o711)
    return root
