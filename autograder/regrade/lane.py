"""A grader in a process of its own, for a host that is busy with other things in its own.

A Dask worker runs an event loop and heartbeats beside its tasks. Neither may disturb a suite (its
random state, its clock), so each of its threads starts this program and talks to it: a frame down
for each job, a frame back with its result. A frame is its length (8 bytes, big-endian) and JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from autograder.errors import AutograderError, GraderError, InputError
from autograder.pool import Job, WorkerLost, close_graders
from autograder.sandbox import Isolation
from autograder.submission import Submission

__all__ = ["Lane", "name_of"]


class Lane:
    """The host's end. One job at a time; a lane whose process has died starts another one."""

    def __init__(self, root: Path, assignment: str, isolation: str, task: str) -> None:
        self._command = [
            sys.executable, "-m", "autograder.regrade.lane", str(root), assignment, isolation, task,
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def grade(self, job: Mapping[str, Any]) -> bytes:
        """The result of `job`, as JSON. Raises WorkerLost, or what the grader raised."""
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = subprocess.Popen(  # noqa: S603 (our own program)
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )
        if process.stdin is None or process.stdout is None:
            raise WorkerLost("its process has no pipes")
        try:
            _write(process.stdin, job)
            answer = _read(process.stdout)
        except OSError:
            answer = None
        if answer is None:
            self.close()
            raise WorkerLost("the process that graded it died")
        if "result" in answer:
            return json.dumps(answer["result"]).encode()
        kind = {"input": InputError, "grader": GraderError}.get(answer["kind"], WorkerLost)
        raise kind(answer["error"])

    def kill(self) -> None:
        """End the process, from any thread; a `grade` that waits for it raises WorkerLost."""
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process, and leave nothing of it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def name_of(task: Callable[..., Any]) -> str:
    """What `task` is called on another machine."""
    return f"{task.__module__}:{task.__qualname__}"


def main() -> None:
    """The other end: grade what comes, until nothing more can come."""
    root, assignment, isolation, name = sys.argv[1:]
    module, _, function = name.partition(":")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Whatever prints, prints to stderr: stdout is for frames.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    jobs: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(jobs,), daemon=True).start()
    task = getattr(import_module(module), function)
    try:
        while True:
            job = jobs.get()
            made = Job(
                name="",
                submission=Submission.from_bytes(job["submission"].encode()),
                seed=job["seed"],
                only=None if job["only"] is None else tuple(job["only"]),
            )
            _write(out, _answer(partial(task, Path(root), assignment, Isolation(isolation), made)))
    finally:
        close_graders()


def _receive(jobs: queue.SimpleQueue[Mapping[str, Any]]) -> None:
    while (job := _read(sys.stdin.buffer)) is not None:
        jobs.put(job)
    # The host is gone, even if we are in the middle of a grade.
    os._exit(1)


def _answer(grade: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"result": grade().to_json()}
    except AutograderError as error:
        kind = "input" if isinstance(error, InputError) else "grader"
        return {"kind": kind, "error": str(error)}
    except Exception as error:
        return {"kind": "other", "error": f"{type(error).__name__}: {error}"}


def _write(pipe: IO[bytes], frame: Mapping[str, Any]) -> None:
    data = json.dumps(frame, allow_nan=False).encode()
    pipe.write(len(data).to_bytes(8, "big") + data)
    pipe.flush()


def _read(pipe: IO[bytes]) -> dict[str, Any] | None:
    """The next frame; None if there is none any more, or only a part of one."""
    head = pipe.read(8)
    if len(head) < 8:
        return None
    length = int.from_bytes(head, "big")
    data = pipe.read(length)
    if len(data) < length:
        return None
    frame: dict[str, Any] = json.loads(data)
    return frame


if __name__ == "__main__":
    main()
