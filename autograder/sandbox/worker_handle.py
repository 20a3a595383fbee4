"""The grader's handle on one worker: load a submission, call its functions, kill it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from secrets import randbits
from types import TracebackType
from typing import Any, TypeVar

from autograder.errors import SandboxError
from autograder.student import Reply, StudentFault, StudentMissing

from . import faults
from .connection import Connection, DeadlineError, HangUpError
from .decoder import Decoder
from .protocol import Buffer, ProtocolError, pack
from .request import Load, Request
from .zygote_process import ZygoteDiedError, ZygoteProcess

__all__ = ["Worker"]

T = TypeVar("T")

_DEATH_SECONDS = 1.0
"""A worker that hangs up is dead within this time, or it closed the channel and lives on."""


class Worker:
    """One confined process with one submission. After a fatal fault it is dead and stays so.

    `ordered` is what it has been told to load already, and under which id.
    """

    def __init__(
        self,
        zygote: ZygoteProcess,
        connection: Connection,
        pid: int,
        ordered: tuple[int, Load] | None = None,
    ) -> None:
        self._ordered = ordered
        self._zygote = zygote
        self._connection = connection
        self.pid = pid
        self._places = faults.Places({})
        self._alive = True
        self._loaded = False
        self._fault: StudentFault | None = None
        self._waiting: deque[tuple[int, Request, float | None]] = deque()
        # Also when nobody closes us.
        self._release = weakref.finalize(self, _release, zygote, connection, pid)

    @property
    def alive(self) -> bool:
        """Whether calls can still be made."""
        return self._alive

    def load(
        self,
        files: Mapping[str, bytes],
        module: str,
        functions: Sequence[str],
        *,
        timeout: float,
    ) -> Mapping[str, str]:
        """Import `module` from `files`, and look for `functions`.

        Per function: "ok", "missing" or "not callable: <type>". Raises StudentFault if the import
        fails, with the place in the student's file; `timeout` is in seconds.
        """
        if self._loaded:
            raise SandboxError("a worker loads one submission; spawn another")
        self._loaded = True
        file = f"{module}.py"
        if file not in files:
            raise StudentMissing(f"the submission has no file {file}")
        self._places = faults.Places(files)
        load = Load(files, module, tuple(functions))
        self._require_alive()
        if self._ordered is None:
            request_id = randbits(52)
            self._connection.send(load.frame(request_id))
        else:
            request_id, ordered = self._ordered
            if ordered != load:
                raise SandboxError("this worker was forked ahead for another submission")
        reply, payload = self._receive(request_id, timeout)
        try:
            if reply.get("kind") != "loaded":
                raise faults.fault_of_import(file, reply, self._places)
            found = reply.get("functions")
            if len(payload) or type(found) is not dict or set(found) != set(functions):
                raise ProtocolError("it reports on other functions than were asked for")
            return {name: _state(found[name]) for name in functions}
        except ProtocolError as error:
            raise self._fail(faults.broken_protocol(error)) from None

    def call(
        self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, timeout: float
    ) -> Reply:
        """Call a function of the loaded module with copies of the arguments.

        Raises StudentFault for all that student code can do wrong, TypeError for an argument that
        can't be sent. `timeout` is in seconds; the machine's own slowness may extend it.
        """
        self.post([Request.of(function, args, kwargs)])
        return self.take(timeout=timeout)

    @property
    def waiting(self) -> int:
        """How many requests were posted and not taken yet."""
        return len(self._waiting)

    def post(self, requests: Sequence[Request]) -> None:
        """Send requests, to be answered in turn; `take` gives their replies in the same order."""
        self._require_alive()
        alone = not self._waiting and len(requests) == 1
        frames: list[Buffer] = []
        for request in requests:
            # Random, so that an answer can't be sent before its question.
            request_id = randbits(52)
            began = time.perf_counter() if alone else None
            self._waiting.append((request_id, request, began))
            frames += request.frame(request_id)
        self._connection.send(frames)

    def take(self, *, timeout: float) -> Reply:
        """The reply to the oldest posted request. Raises as `call` does."""
        self._require_alive()
        request_id, request, began = self._waiting.popleft()
        reply, payload = self._receive(request_id, timeout)
        seconds = None if began is None else time.perf_counter() - began
        try:
            if reply.get("kind") != "value":
                raise faults.fault_of_call(request.function, reply, self._places)
            decoder = Decoder(payload, share=True)
            value = decoder.decode(reply.get("value"))
            decoder.finish()
            mutated = reply.get("mutated")
            if mutated:
                _check_names(mutated, set(request.inputs))
            return Reply(value, tuple(mutated or ()), seconds)
        except ProtocolError as error:
            raise self._fail(faults.broken_protocol(error)) from None

    def ask(
        self,
        function: str,
        header: dict[str, Any],
        kind: str,
        read: Callable[[Mapping[str, Any], memoryview], T],
        *,
        timeout: float,
    ) -> T:
        """Send a request about `function`, and return what `read` makes of its reply.

        `kind` is the one that an answer has; `read` raises ProtocolError for a malformed one.
        Raises StudentFault as `call` does.
        """
        self._require_alive()
        request_id = randbits(52)
        self._connection.send(pack({**header, "id": request_id}))
        reply, payload = self._receive(request_id, timeout)
        try:
            if reply.get("kind") != kind:
                raise faults.fault_of_call(function, reply, self._places)
            return read(reply, payload)
        except ProtocolError as error:
            raise self._fail(faults.broken_protocol(error)) from None

    def pause(self) -> None:
        """Stop all threads of the process until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._alive:
            with contextlib.suppress(OSError):
                signal.pidfd_send_signal(self._connection.pidfd, number)

    def settle(self, timeout: float) -> None:
        """Drop the replies that nobody will take; close the worker if they take too long."""
        end = time.monotonic() + timeout
        while self._alive and self._waiting:
            left = end - time.monotonic()
            if left <= 0:
                self.close()
                return
            try:
                self.take(timeout=left)
            except StudentFault:
                continue

    def close(self) -> None:
        """Kill the process and whatever it started. Can be called again."""
        self._alive = False
        self._release()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def wait_until_ready(self, timeout: float) -> dict[str, Any]:
        """The worker's first frame, sent before it can have met student code.

        Raises SandboxError. Part of the sandbox's own business.
        """
        try:
            header, _ = self._connection.receive(timeout, last=self._ordered is None)
            return header
        except (DeadlineError, HangUpError, ProtocolError):
            self.close()
            reason = self._zygote.last_words() or f"no answer within {timeout:g} s"
            raise SandboxError(f"a worker couldn't be confined: {reason}") from None

    def _require_alive(self) -> None:
        if not self._alive:
            if self._fault is not None:
                raise self._fault
            raise SandboxError("this worker is closed")

    def _receive(self, request_id: int, timeout: float) -> tuple[dict[str, Any], memoryview]:
        try:
            reply, payload = self._connection.receive(timeout, last=not self._waiting)
            if reply.get("id") != request_id:
                raise ProtocolError("it answers another request")
            return reply, payload
        except ProtocolError as error:
            raise self._fail(faults.broken_protocol(error)) from None
        except DeadlineError:
            raise self._fail(faults.timed_out(timeout)) from None
        except HangUpError:
            raise self._fail(self._fault_of_death()) from None
        except BaseException:
            # Interrupted in mid-frame (Ctrl-C, say): the next frame wouldn't be the right one.
            self.close()
            raise

    def _fault_of_death(self) -> StudentFault:
        """Why the worker hung up. Raises SandboxError if that wasn't its own doing."""
        poll = select.poll()
        poll.register(self._connection.pidfd, select.POLLIN)
        if not poll.poll(_DEATH_SECONDS * 1000):
            return faults.broken_protocol(ProtocolError("it closed the grader's channel"))
        self._alive = False
        self._release.detach()
        self._connection.close()
        try:
            status = self._zygote.reap(self.pid)
        except ZygoteDiedError:
            raise SandboxError("the sandbox's zygote died, and its workers with it") from None
        if status is None:
            raise SandboxError("a worker died but can't be waited for")
        return faults.fault_of_status(status)

    def _fail(self, fault: StudentFault) -> StudentFault:
        self._fault = fault
        self.close()
        return fault


def _release(zygote: ZygoteProcess, connection: Connection, pid: int) -> None:
    """Kill a worker. By pidfd, which can't hit another process that has got its number since."""
    if os.getpid() == zygote.owner:
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(connection.pidfd, signal.SIGKILL)
        zygote.discard(pid)
    connection.close()


def _state(text: Any) -> str:
    if type(text) is not str:
        raise ProtocolError("it reports on a function, but not in words")
    return faults.clean(text, 100)


def _check_names(names: Any, known: set[str]) -> None:
    if type(names) is not list or not all(type(name) is str and name in known for name in names):
        raise ProtocolError("it names inputs that there aren't")
