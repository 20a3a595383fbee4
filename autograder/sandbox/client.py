"""The grader's side of the sandbox: keeps a zygote, and spawns workers from it."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import weakref
from collections.abc import Mapping
from secrets import randbits
from types import TracebackType
from typing import TYPE_CHECKING

from autograder.errors import SandboxError

from .connection import Connection
from .limits import Isolation, Tripwires, WorkerLimits
from .zygote_process import ZygoteDiedError, ZygoteProcess

if TYPE_CHECKING:
    from .request import Load
    from .worker_handle import Worker

__all__ = ["Sandbox"]

_READY_SECONDS = 60.0
_PRELOADED_BYTES = 1 << 16
"""What a socket takes for certain while nobody reads it."""

_PACKAGES = ("torch", "numpy", "jaxtyping", "wadler_lindig")
"""Imported in the zygote, and the only ones beside the standard library that a worker finds."""


class Sandbox:
    """Starts workers that are warm (torch is loaded) and confined.

    The first worker waits until the zygote has imported torch; call `start` early and do something
    else meanwhile. Close it, or use it as a context manager; a grader that dies by force takes its
    sandbox along too. Workers may be used from several threads, each from one at a time.
    """

    def __init__(
        self,
        isolation: Isolation = Isolation.AUTO,
        limits: WorkerLimits = WorkerLimits(),  # noqa: B008  (frozen)
        tripwires: Tripwires = Tripwires(),  # noqa: B008  (frozen)
    ) -> None:
        if sys.platform != "linux":
            raise SandboxError("the sandbox needs Linux; grade in a container on this machine")
        self.isolation = isolation
        self.limits = limits
        self.tripwires = tripwires
        self._layers: dict[str, str] = {}
        self._zygote: ZygoteProcess | None = None
        self._spare: socket.socket | None = None
        self._ordered: tuple[int, Load] | None = None
        self._closed = False
        self._lock = threading.RLock()
        self._workers: weakref.WeakSet[Worker] = weakref.WeakSet()

    def start(self) -> None:
        """Launch the zygote without waiting for it. Does nothing if it already runs.

        Raises SandboxError if it can't be launched at all.
        """
        with self._lock:
            self._start()

    @property
    def layers(self) -> Mapping[str, str]:
        """Each layer of confinement: "active…", or "missing: " with the reason and what to do.

        Starts a worker if there was none yet. Raises SandboxError.
        """
        if not self._layers:
            self.spawn().close()
        return dict(self._layers)

    def spawn(self) -> Worker:
        """A fresh worker. Raises SandboxError, also if `strict` isolation can't be had here."""
        with self._lock:
            for attempt in (1, 2):
                zygote = self._start()
                try:
                    zygote.wait_until_ready()
                    return self._spawn(zygote)
                except ZygoteDiedError as error:
                    # It was killed, perhaps by the system for memory: once, take a new one.
                    self._discard()
                    if attempt == 2:
                        raise SandboxError(f"the sandbox's zygote died twice: {error}") from error
            raise AssertionError("unreachable")

    def close(self) -> None:
        """Kill every process. The sandbox is of no use afterwards."""
        with self._lock:
            self._closed = True
            for worker in list(self._workers):
                worker.close()
            self._discard()

    def __enter__(self) -> Sandbox:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> ZygoteProcess:
        if self._closed:
            raise SandboxError("this sandbox is closed")
        if self._zygote is not None and not self._zygote.usable:
            self._discard()
        if self._zygote is None:
            self._zygote = ZygoteProcess(
                {
                    "isolation": self.isolation.value,
                    "limits": self.limits.to_json(),
                    "tripwires": self.tripwires.to_json(),
                    "packages": _PACKAGES,
                },
                scratch=self.limits.scratch,
            )
            # Also when nobody closes us, at the latest at exit.
            self._finalizer = weakref.finalize(self, self._zygote.close)
        return self._zygote

    def _discard(self) -> None:
        if self._zygote is not None:
            self._finalizer.detach()
            self._zygote.close()
            self._zygote = None
            if self._spare is not None:
                self._spare.close()
                self._spare = self._ordered = None

    def spawn_ahead(self, load: Load | None = None) -> None:
        """Have the next worker forked while the current one works; `spawn` will give it out.

        With `load` it imports that submission at once, and can be of use to no other. Does nothing
        if there is one already. What can't be forked now, `spawn` reports.
        """
        with self._lock:
            if self._zygote is not None and self._spare is None and self._zygote.usable:
                with contextlib.suppress(ZygoteDiedError):
                    self._order(self._zygote, load)

    def discard_spare(self) -> None:
        """Kill the worker that was forked ahead, if there is one."""
        with self._lock:
            if self._spare is not None:
                with contextlib.suppress(SandboxError):
                    self.spawn().close()

    def end_submission(self) -> None:
        """Say that the next worker is for another submission.

        One that was forked ahead is thrown away if it has imported this submission, or if it waited
        under the same user while student code ran, and so may have been tampered with.
        """
        own_user = self._layers.get("uid", "").startswith("active")
        if self._ordered is not None or not own_user:
            self.discard_spare()

    def _order(self, zygote: ZygoteProcess, load: Load | None = None) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            zygote.order_worker(theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._spare, self._ordered = ours, None
        if load is not None:
            self._preload(ours, load)

    def _preload(self, channel: socket.socket, load: Load) -> None:
        """Order the import now, if the socket takes the whole of it at once."""
        request_id = randbits(52)
        message = b"".join(load.frame(request_id))
        if len(message) <= _PRELOADED_BYTES:
            channel.setblocking(False)
            with contextlib.suppress(OSError):
                if channel.send(message, socket.MSG_NOSIGNAL) == len(message):
                    self._ordered = (request_id, load)
                    return
            # Half a message is of no use to anybody.
            self.discard_spare()

    def _spawn(self, zygote: ZygoteProcess) -> Worker:
        # Imports torch, which a grader that only starts its sandbox doesn't need yet.
        from .worker_handle import Worker

        if self._spare is None:
            self._order(zygote)
        ours, self._spare = self._spare, None
        ordered, self._ordered = self._ordered, None
        if ours is None:
            raise SandboxError("the worker that was ordered vanished")
        try:
            pid, pidfd = zygote.collect_worker()
        except BaseException:
            ours.close()
            raise
        connection = Connection(ours, pid, pidfd, self.limits.reply_mib << 20)
        worker = Worker(zygote, connection, pid, ordered)
        self._workers.add(worker)
        header = worker.wait_until_ready(_READY_SECONDS)
        self._layers = dict(header["layers"])
        try:
            self._check(header["unknown_tripwires"])
        except SandboxError:
            worker.close()
            raise
        return worker

    def _check(self, unknown_tripwires: list[str]) -> None:
        missing = [
            f"{layer} is {state}"
            for layer, state in self._layers.items()
            if not state.startswith("active")
        ]
        if self.isolation is Isolation.STRICT and missing:
            raise SandboxError(f"strict isolation isn't available here: {'; '.join(missing)}")
        if unknown_tripwires:
            names = ", ".join(unknown_tripwires)
            raise SandboxError(f"tripwires on names that this torch doesn't have: {names}")
