"""How long a submission's code may take: per call, per exercise and in all.

Charged is the time that passes while we wait for an answer, less the time in which the machine made
us wait: the worker's main thread, or ours, was ready to run and had no processor. That is the
scheduler's own count (/proc/PID/schedstat, `run_delay`). So on a busy or half-CPU host a right
submission has the time it needs, and sleeping is charged in full. At most three quarters are
forgiven, which bounds the wall time by four times the budget, as `Connection` does for one call.
"""

from __future__ import annotations

import threading
from pathlib import Path

from autograder.config import Limits

__all__ = ["Budget"]

_FORGIVEN = 0.75


class Budget:
    """The time that is left to one submission, and to its current exercise."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._exercise = 0.0
        self._before = 0.0  # charged for earlier exercises
        self._worker: str | None = None
        self._own: str | None = None
        self._waits: dict[str, tuple[float, float]] = {}  # first and latest count, per task

    def begin_exercise(self) -> None:
        """Close the account of one exercise and open the next."""
        self._before += self._charged()
        self._exercise = 0.0
        self._own = None
        # A worker may be there already, and goes on.
        self._waits = {
            task: (latest, latest)
            for task, (_, latest) in self._waits.items()
            if task == self._worker
        }

    def watch(self, worker: int) -> None:
        """From here on, the worker with this pid answers. Its count begins with its life, at 0."""
        self._look()
        self._worker = str(worker)
        self._waits[self._worker] = (0.0, 0.0)

    def spend(self, seconds: float) -> None:
        """Note that this much time has passed, by the clock."""
        if self._own is None:
            # Ours is counted from the first call on, in whichever thread makes the calls.
            self._own = f"self/task/{threading.get_native_id()}"
            now = _run_delay(self._own)
            self._waits[self._own] = (now, now)
        self._exercise += seconds

    def left(self) -> float:
        """Seconds until something is used up; 0 or less if it is."""
        left = self._left(self._exercise)
        if left < self._limits.call_seconds:
            # Only now is it worth asking how much of it was the machine's fault.
            left = self._left(self._charged())
        return left

    @property
    def whole(self) -> bool:
        """Whether it is the submission's time that is used up, not only the exercise's."""
        return self._before + self._charged() >= self._limits.total_seconds

    def _left(self, charged: float) -> float:
        limits = self._limits
        return min(limits.exercise_seconds - charged, limits.total_seconds - self._before - charged)

    def _charged(self) -> float:
        self._look()
        waited = sum(latest - first for first, latest in self._waits.values())
        return self._exercise - min(waited, _FORGIVEN * self._exercise)

    def _look(self) -> None:
        for task, (first, latest) in self._waits.items():
            # A task that is gone keeps its latest count.
            self._waits[task] = (first, max(latest, _run_delay(task)))


def _run_delay(task: str) -> float:
    """Seconds that a task was ready to run and didn't; 0 where nobody counts them."""
    try:
        return int(Path(f"/proc/{task}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
