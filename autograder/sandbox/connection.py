"""The grader's end of a worker's socket: one request, one reply, one deadline.

The worker on the other end may stall, stop reading, send anything, or die; each ends in an
exception within the deadline (and its extensions, see `Connection._starved`), in bounded memory.
"""

from __future__ import annotations

import mmap
import os
import select
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .protocol import PREFIX, Buffer, ProtocolError, pack, unpack_header, unpack_prefix

__all__ = ["Connection", "DeadlineError", "HangUpError"]

_SMALL_FRAME = 1 << 16
_MOST_DEADLINES = 4
"""A deadline may be granted this many times in all on a machine that is too busy."""
_PIECES = 64
"""Buffers handed to one sendmsg; the kernel's own limit is 1024."""


class DeadlineError(Exception):
    """No whole reply came in time."""


class HangUpError(Exception):
    """The worker died or closed its socket before a whole reply came."""


class Connection:
    """A socket to a worker, and the pidfd that says whether it lives. Owns both."""

    def __init__(self, channel: socket.socket, pid: int, pidfd: int, max_payload: int) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._pid = pid
        self.pidfd = pidfd
        self._max_payload = max_payload
        self._buffer = memoryview(bytearray(_SMALL_FRAME))
        self._readable = select.poll()
        self._readable.register(channel, select.POLLIN)
        self._readable.register(pidfd, select.POLLIN)
        self._writable = select.poll()
        self._writable.register(channel, select.POLLOUT)
        self._writable.register(pidfd, select.POLLIN)
        # clock_gettime(2): the CPU time of another process, CPUCLOCK_SCHED.
        self._cpu_clock = (~pid << 3) | 2

    def exchange(
        self, header: Mapping[str, Any], chunks: list[Buffer], timeout: float
    ) -> tuple[dict[str, Any], memoryview]:
        """Send a request; the reply's header and payload, which is the caller's to keep.

        `timeout` is in seconds. Raises DeadlineError, HangUpError or ProtocolError; the worker is
        of no use after any of them.
        """
        deadline = _Deadline(timeout, self._cpu_seconds(), self._starved)
        self._send(pack(header, chunks), deadline)
        return self._receive(deadline)

    def receive(self, timeout: float) -> tuple[dict[str, Any], memoryview]:
        """The next frame. Raises as `exchange` does."""
        return self._receive(_Deadline(timeout, self._cpu_seconds(), self._starved))

    def close(self) -> None:
        """Close the socket and the pidfd."""
        self._channel.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _send(self, pieces: list[Buffer], deadline: _Deadline) -> None:
        views = [memoryview(piece) for piece in pieces]
        begin = 0
        while begin < len(views):
            try:
                sent = self._channel.sendmsg(
                    views[begin : begin + _PIECES], (), socket.MSG_NOSIGNAL
                )
            except BlockingIOError:
                self._wait(self._writable, deadline)
                continue
            except OSError as error:
                raise HangUpError from error
            while begin < len(views) and sent >= len(views[begin]):
                sent -= len(views[begin])
                begin += 1
            if sent:
                views[begin] = views[begin][sent:]

    def _receive(self, deadline: _Deadline) -> tuple[dict[str, Any], memoryview]:
        view = self._buffer
        have = 0
        while have < PREFIX.size:
            have += self._receive_into(view[have:], deadline)
        header_size, payload_size = unpack_prefix(view, self._max_payload)
        begin = PREFIX.size + header_size
        total = begin + payload_size
        if total > len(view):
            # Not a bytearray, whose pages are touched at once: these cost nothing until the worker
            # really sends what it announced.
            large = memoryview(mmap.mmap(-1, total))
            large[:have] = view[:have]
            view = large
        while have < total:
            have += self._receive_into(view[have:total], deadline)
        if have > total:
            raise ProtocolError("it sent more than one reply")
        header = unpack_header(view[PREFIX.size : begin])
        payload = view[begin:total]
        if view is self._buffer:
            payload = memoryview(bytearray(payload))
        return header, payload

    def _receive_into(self, view: memoryview, deadline: _Deadline) -> int:
        self._wait(self._readable, deadline)
        try:
            count = self._channel.recv_into(view)
        except OSError as error:
            # Also BlockingIOError: only the pidfd was ready, it died without another word.
            raise HangUpError from error
        if count == 0:
            raise HangUpError
        return count

    def _wait(self, poll: select.poll, deadline: _Deadline) -> None:
        while True:
            ready = poll.poll(deadline.milliseconds_left())
            if not ready:
                deadline.extend()
                continue
            if poll is self._writable and all(fd == self.pidfd for fd, _ in ready):
                raise HangUpError
            return

    def _cpu_seconds(self) -> float:
        try:
            return time.clock_gettime(self._cpu_clock)
        except OSError:
            return 0.0

    def _starved(self, cpu_before: float, timeout: float) -> bool:
        """Whether the worker wants to run but was hardly let.

        On a machine that is too busy (half a CPU, say, or a neighbour) a correct answer may miss
        its deadline. If a thread of the worker is runnable and the CPU time since the call began
        is below half of the deadline, it is given another; one that sleeps or waits is not.
        """
        if self._cpu_seconds() - cpu_before >= timeout / 2:
            return False
        try:
            for task in Path(f"/proc/{self._pid}/task").iterdir():
                stat = (task / "stat").read_bytes()
                # The state follows the name, which is in parentheses and may contain some.
                if stat[stat.rindex(b")") + 2 :].startswith(b"R"):
                    return True
        except (OSError, ValueError):
            return False
        return False


class _Deadline:
    """The time that is left for one exchange."""

    __slots__ = ("_cpu_before", "_end", "_granted", "_starved", "_timeout")

    def __init__(
        self, timeout: float, cpu_before: float, starved: Callable[[float, float], bool]
    ) -> None:
        self._timeout = timeout
        self._cpu_before = cpu_before
        self._starved = starved
        self._granted = 1
        self._end = time.monotonic() + timeout

    def milliseconds_left(self) -> float:
        return max(0.0, (self._end - time.monotonic()) * 1000)

    def extend(self) -> None:
        """Called when the time is up. Raises DeadlineError unless the machine was to blame."""
        if time.monotonic() < self._end:
            return
        if self._granted >= _MOST_DEADLINES or not self._starved(self._cpu_before, self._timeout):
            raise DeadlineError
        self._granted += 1
        self._end += self._timeout
