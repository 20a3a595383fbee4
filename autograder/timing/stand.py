"""The trusted side of timing: a sandbox of its own for baselines, kept warm between submissions."""

from __future__ import annotations

import torch

from autograder.errors import GraderError
from autograder.sandbox import Isolation, Sandbox, WorkerLimits
from autograder.sandbox.timed_worker import TimedWorker
from autograder.student import StudentFault

__all__ = ["Stand", "missing_device"]

_MODULE = "baselines"


def missing_device(device: str) -> str | None:
    """Why nothing can be timed on `device` here, in words for a student; None if it can."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        return "no GPU on this machine; it is timed on one that has a GPU"
    return None


class Stand:
    """Workers that run our own code, without tripwires. Costs nothing before the first `worker`."""

    def __init__(
        self,
        isolation: Isolation = Isolation.AUTO,
        limits: WorkerLimits = WorkerLimits(),  # noqa: B008  (frozen)
    ) -> None:
        self._isolation = isolation
        self._limits = limits
        self._sandbox: Sandbox | None = None

    def worker(self, source: bytes, function: str, *, timeout: float) -> TimedWorker:
        """A worker that has loaded `source`, which must define `function`. Raises GraderError."""
        if self._sandbox is None:
            self._sandbox = Sandbox(self._isolation, self._limits)
        worker = self._sandbox.spawn()
        try:
            files = {f"{_MODULE}.py": source}
            found = worker.load(files, _MODULE, [function], timeout=timeout)
        except StudentFault as fault:
            worker.close()
            raise GraderError(f"{_MODULE}.py: {fault}") from fault
        if found[function] != "ok":
            worker.close()
            raise GraderError(f"{_MODULE}.py: the baseline `{function}` is {found[function]}")
        return TimedWorker(worker)

    def close(self) -> None:
        """End the sandbox, if it was started."""
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None
