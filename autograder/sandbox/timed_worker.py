"""The grader's handle on a worker that is timed: prepare, run a chain, reveal; asleep in between.

Nothing in here trusts the worker: its digests are bytes until `autograder.timing` has recomputed
them, its results are decoded like any other value. The worker is stopped by SIGSTOP whenever no
chain of its own runs, so that threads it left behind can neither work ahead nor disturb others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from secrets import token_bytes
from typing import Any, TypeVar

import torch

from .chain import DIGEST_BYTES, NONCE_BYTES
from .decoder import Decoder
from .protocol import ProtocolError
from .worker_handle import Worker

__all__ = ["Elapsed", "TimedChain", "TimedWorker"]

T = TypeVar("T")
Recipe = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Elapsed:
    """What the grader's clock and the kernel say about one chain, in seconds.

    `wall` passed between the grader's order and the worker's digests; `cpu` is the processor time
    of all threads of the worker meanwhile; `waited` is how long its main thread, or the grader's,
    was ready to run but had no processor.
    """

    wall: float
    cpu: float
    waited: float


@dataclass(frozen=True, slots=True)
class TimedChain:
    """A chain that was run: what it was asked, what it committed to, and how long it took."""

    nonce: bytes
    digests: tuple[bytes, ...]
    elapsed: Elapsed


class TimedWorker:
    """Times calls of one function at a time. `close` closes the worker."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._function = ""

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._worker.pid

    def close(self) -> None:
        """Kill the worker."""
        self._worker.close()

    def prepare(
        self,
        function: str,
        recipe: Recipe,
        device: str,
        *,
        calls: int,
        count: int,
        timeout: float,
    ) -> None:
        """Choose what is timed from now on, and call it `calls` times. Raises StudentFault.

        A chain may then have up to `count` calls.
        """
        self._function = function
        header = {
            "op": "prepare",
            "function": function,
            "recipe": list(recipe),
            "device": device,
            "calls": calls,
            "count": count,
            "nonce": token_bytes(NONCE_BYTES).hex(),
        }
        self._awake(lambda: self._ask(header, "prepared", _nothing, timeout))

    def time(
        self, count: int, *, timeout: float, skip: bool = False, watch: bool = False
    ) -> TimedChain:
        """Run a chain of `count` calls. Raises StudentFault.

        The nonce is made after the clock has started. `skip` leaves the function out; only for
        workers whose code is ours. `watch` looks out for forbidden operators, which takes time.
        """
        return self._awake(lambda: self._time(count, timeout, skip, watch))

    def reveal(self, indices: Sequence[int], *, timeout: float) -> list[tuple[torch.Tensor, ...]]:
        """The results of some calls of the chain that ran last, on the CPU. Raises StudentFault."""

        def read(reply: Mapping[str, Any], payload: memoryview) -> list[tuple[torch.Tensor, ...]]:
            decoder = Decoder(payload, share=True)
            value = decoder.decode(reply.get("value"))
            decoder.finish()
            if type(value) is not list or len(value) != len(indices):
                raise ProtocolError("it reveals other calls than were asked for")
            for results in value:
                if type(results) is not tuple or not all(
                    type(result) is torch.Tensor for result in results
                ):
                    raise ProtocolError("it reveals something else than tensors")
            return value

        header = {"op": "reveal", "indices": list(indices)}
        return self._awake(lambda: self._ask(header, "revealed", read, timeout))

    def _time(self, count: int, timeout: float, skip: bool, watch: bool) -> TimedChain:
        header: dict[str, Any] = {
            "op": "time",
            "count": count,
            "skip": skip,
            "watch": watch,
        }

        def read(reply: Mapping[str, Any], payload: memoryview) -> tuple[bytes, ...]:
            digests = reply.get("digests")
            if len(payload) or type(digests) is not list or len(digests) != count:
                raise ProtocolError("it commits to another number of calls")
            return tuple(map(_read_digest, digests))

        pid = self._worker.pid
        waited, cpu = _waited_seconds(str(pid), "thread-self"), _cpu_seconds(pid)
        began = time.perf_counter()
        nonce = token_bytes(NONCE_BYTES)
        header["nonce"] = nonce.hex()
        digests = self._ask(header, "timed", read, timeout)
        wall = time.perf_counter() - began
        cpu = _cpu_seconds(pid) - cpu
        waited = _waited_seconds(str(pid), "thread-self") - waited
        return TimedChain(nonce, digests, Elapsed(wall, cpu, waited))

    def _ask(
        self,
        header: dict[str, Any],
        kind: str,
        read: Callable[[Mapping[str, Any], memoryview], T],
        timeout: float,
    ) -> T:
        return self._worker.ask(self._function, header, kind, read, timeout=timeout)

    def _awake(self, work: Callable[[], T]) -> T:
        self._worker.resume()
        try:
            return work()
        finally:
            self._worker.pause()


def _nothing(reply: Mapping[str, Any], payload: memoryview) -> None:
    if len(payload):
        raise ProtocolError("it sends bytes that nobody asked for")


def _read_digest(text: Any) -> bytes:
    if type(text) is not str or len(text) != 2 * DIGEST_BYTES:
        raise ProtocolError("a digest of another length")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ProtocolError("a digest that isn't hexadecimal") from None


def _cpu_seconds(pid: int) -> float:
    """The processor time of all threads of a process, living and ended (CPUCLOCK_SCHED)."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _waited_seconds(*processes: str) -> float:
    """How long main threads have waited for a processor; 0 where the kernel won't say."""
    try:
        stats = [Path(f"/proc/{process}/schedstat").read_text().split() for process in processes]
        return sum(int(stat[1]) for stat in stats) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
