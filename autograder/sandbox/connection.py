"""The grader's end of a worker's socket: requests out, replies in, a deadline for each reply.

The worker on the other end may stall, stop reading, send anything, or die; each ends in an
exception within the deadline (and its extensions, see `Connection._starved`), in bounded memory.
"""

from __future__ import annotations

import itertools
import mmap
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from .protocol import PREFIX, Buffer, ProtocolError, unpack_header, unpack_prefix

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
    """A socket to a worker, and the pidfd that says whether it lives. Owns both.

    Frames are queued, and go out as far as the worker takes them, at the latest while a reply is
    awaited: neither side waits for the other to read first.
    """

    def __init__(self, channel: socket.socket, pid: int, pidfd: int, max_payload: int) -> None:
        channel.setblocking(False)
        self._channel = channel
        self._pid = pid
        self.pidfd = pidfd
        self._max_payload = max_payload
        self._buffer = memoryview(bytearray(_SMALL_FRAME))
        self._begin = self._end = 0
        self._unsent: deque[memoryview] = deque()
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._poll.register(pidfd, select.POLLIN)
        # clock_gettime(2): the CPU time of another process, CPUCLOCK_SCHED.
        self._cpu_clock = (~pid << 3) | 2

    def send(self, pieces: Iterable[Buffer]) -> None:
        """Queue frames, and send what can be sent at once. A dead worker shows in `receive`."""
        self._unsent.extend(map(memoryview, pieces))
        self._flush()

    def receive(self, timeout: float, *, last: bool = True) -> tuple[dict[str, Any], memoryview]:
        """The next frame's header and payload, which is the caller's to keep.

        `timeout` is in seconds; `last` says that no more frames are due. Raises DeadlineError,
        HangUpError or ProtocolError; the worker is of no use after any of them.
        """
        deadline = _Deadline(timeout, self._cpu_seconds(), self._starved)
        self._fill(PREFIX.size, deadline)
        header_size, payload_size = unpack_prefix(
            self._buffer[self._begin : self._end], self._max_payload
        )
        middle = PREFIX.size + header_size
        total = middle + payload_size
        if total <= len(self._buffer):
            self._fill(total, deadline)
            view = self._buffer[self._begin : self._begin + total]
            self._begin += total
        else:
            view = self._receive_large(total, deadline)
        if last and self._begin != self._end:
            raise ProtocolError("it sent more than one reply")
        header = unpack_header(view[PREFIX.size : middle])
        payload = view[middle:]
        if total <= len(self._buffer):
            payload = memoryview(bytearray(payload))
        return header, payload

    def close(self) -> None:
        """Close the socket and the pidfd."""
        self._channel.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1

    def _flush(self) -> None:
        while self._unsent:
            pieces = list(itertools.islice(self._unsent, _PIECES))
            try:
                sent = self._channel.sendmsg(pieces, (), socket.MSG_NOSIGNAL)
            except BlockingIOError:
                return
            except OSError:
                # It hung up. What it answered before is still to be read.
                self._unsent.clear()
                return
            for piece in pieces:
                if sent < len(piece):
                    self._unsent[0] = piece[sent:]
                    break
                sent -= len(piece)
                self._unsent.popleft()

    def _fill(self, count: int, deadline: _Deadline) -> None:
        """Have at least `count` bytes in the buffer, which must have room for them."""
        if self._begin + count > len(self._buffer):
            rest = self._end - self._begin
            self._buffer[:rest] = self._buffer[self._begin : self._end]
            self._begin, self._end = 0, rest
        while self._end - self._begin < count:
            if self._begin == self._end:
                self._begin = self._end = 0
            self._end += self._receive_into(self._buffer[self._end :], deadline)

    def _receive_large(self, total: int, deadline: _Deadline) -> memoryview:
        # Not a bytearray, whose pages are touched at once: these cost nothing until the worker
        # really sends what it announced.
        large = memoryview(mmap.mmap(-1, total))
        have = self._end - self._begin
        large[:have] = self._buffer[self._begin : self._end]
        self._begin = self._end = 0
        while have < total:
            have += self._receive_into(large[have:], deadline)
        return large

    def _receive_into(self, view: memoryview, deadline: _Deadline) -> int:
        dead = False
        while True:
            if self._unsent:
                self._flush()
            try:
                count = self._channel.recv_into(view)
            except BlockingIOError:
                if dead:
                    # It died without another word; a child of its may hold the socket open.
                    raise HangUpError from None
                dead = self._wait(deadline)
                continue
            except OSError as error:
                raise HangUpError from error
            if count == 0:
                raise HangUpError
            return count

    def _wait(self, deadline: _Deadline) -> bool:
        """Wait until there is something to do; whether the worker is dead."""
        wanted = select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN
        self._poll.modify(self._channel, wanted)
        while True:
            ready = self._poll.poll(deadline.milliseconds_left())
            if ready:
                return any(descriptor == self.pidfd for descriptor, _ in ready)
            deadline.extend()

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
