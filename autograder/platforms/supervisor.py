"""One grade under supervision: whatever becomes of the grader, its supervisor has the last word.

    supervisor   standard library and reports; the only one that writes       trusted
       └─ grading   a grader for one submission, in a process of its own      trusted
            └─ zygote, workers: see autograder.sandbox

The grader sends its result after each check, as one line of JSON on a pipe. The supervisor keeps
the newest whole line. When the pipe ends, it has the final result, or knows that there is none.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from autograder.result import Result, Status

__all__ = ["Assessment", "Order", "supervise"]

_PIPE = 1 << 20
"""Bytes: a result fits in, so that the grader never waits for a report to be written."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be graded. `seconds` is for the whole run; then the grader is stopped.

    `isolation` is a value of `autograder.sandbox.Isolation`. `assignment` None means the course's
    only one.
    """

    submission: Path
    course: Path
    assignment: str | None
    isolation: str = "auto"
    seconds: float = 1800.0

    def to_json(self) -> str:
        """The order as one line."""
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Order:
        """The inverse of `to_json`."""
        fields = json.loads(text)
        fields |= {name: Path(fields[name]) for name in ("submission", "course")}
        return Order(**fields)


@dataclass(frozen=True, slots=True)
class Assessment:
    """How a run ended. `fault` is for staff, one line, None if all went well.

    `result` is None if the grader didn't get far enough to have one. After a fault its status is
    `grader_error`: it has no score, whatever was known.
    """

    result: Result | None
    fault: str | None

    @property
    def exit_code(self) -> int:
        """0 graded, 2 a fault of ours."""
        return 0 if self.fault is None else 2


def supervise(
    order: Order,
    progress: Callable[[Result], None] = lambda result: None,
    *,
    command: tuple[str, ...] = (sys.executable, "-P", "-s", "-m", "autograder.platforms.grading"),
) -> Assessment:
    """Grade in a child process. Never raises for what becomes of it.

    `progress` gets what is known so far, as a result with the status `grader_error`: that is what
    it means, should it be the last that is heard. SIGTERM and SIGINT stop the grader, and count as
    its fault. Call it from the main thread.
    """
    reader, writer = os.pipe()
    with contextlib.suppress(OSError):
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, _PIPE)
    try:
        child = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [*command, str(writer), order.to_json()], stdin=subprocess.DEVNULL, pass_fds=[writer]
        )
    except OSError as error:
        os.close(reader)
        return Assessment(None, f"the grader can't be started: {error.strerror}")
    finally:
        os.close(writer)
    watch = _Watch(child, reader, progress)
    with watch.signals():
        watch.listen(order.seconds)
    os.close(reader)
    return watch.assessment()


class _Watch:
    """What has been heard of one child."""

    def __init__(
        self, child: subprocess.Popen[bytes], reader: int, progress: Callable[[Result], None]
    ) -> None:
        self._child = child
        self._reader = reader
        self._progress = progress
        self._rest = b""
        self._result: Result | None = None
        self._said: str | None = None
        self._stopped: str | None = None

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """While it lasts, a request to end is obeyed, with a word about it."""

        def stop(number: int, frame: FrameType | None) -> None:
            self._stop(f"it was stopped by {signal.Signals(number).name}")

        before = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def listen(self, seconds: float) -> None:
        """Take in what comes until the pipe ends, at most for `seconds`."""
        deadline = time.monotonic() + seconds
        os.set_blocking(self._reader, False)
        with selectors.DefaultSelector() as selector:
            selector.register(self._reader, selectors.EVENT_READ)
            while True:
                left = deadline - time.monotonic()
                if left <= 0 and self._stopped is None:
                    self._stop(f"it was stopped after {seconds:g} seconds")
                selector.select(max(left, 1.0))
                if not self._take():
                    break
        self._child.wait()

    def assessment(self) -> Assessment:
        result = self._result
        if result is not None and result.complete and self._stopped is None:
            return Assessment(result, result.fault)
        fault = self._stopped or self._said or _death(self._child.returncode)
        fault = f"the grader did not finish: {fault}"
        return Assessment(None if result is None else unfinished(result, fault), fault)

    def _take(self) -> bool:
        """Read what is there; False if nothing will come any more."""
        lines: list[bytes] = []
        more = True
        while True:
            try:
                data = os.read(self._reader, _PIPE)
            except BlockingIOError:
                break
            if not data:
                more = False
                break
            *whole, self._rest = (self._rest + data).split(b"\n")
            lines += whole
        for line in lines:
            self._hear(json.loads(line))
        result = self._result
        if lines and result is not None and not result.complete:
            self._progress(unfinished(result, "grading was still going on"))
        return more

    def _hear(self, message: Mapping[str, Any]) -> None:
        if "error" in message:
            self._said = message["error"]
        else:
            self._result = Result.from_json(message)

    def _stop(self, why: str) -> None:
        self._stopped = self._stopped or why
        self._child.kill()


def unfinished(result: Result, fault: str) -> Result:
    """The same without a score: a part of the points must not pass for the whole."""
    return replace(
        result, status=Status.GRADER_ERROR, score=None, complete=False, fault=result.fault or fault
    )


def _death(code: int) -> str:
    if code == -signal.SIGKILL:
        return "it was killed (SIGKILL), most likely because the container ran out of memory"
    if code < 0:
        return f"it was killed by {signal.Signals(-code).name}"
    return f"it ended early, with exit status {code}"
