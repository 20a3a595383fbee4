"""Timing a student's function against a rival on the same machine, in the same run.

Nothing that student code does can make it look faster. Its calls are timed from outside, by the
wall clock, and the best one counts: whatever stalls the machine only makes them slower, and one
call in peace is enough. The rival runs in the grader. Its best time counts too, but never more than
the CPU time of its thread: threads that student code left running, in order to slow the rival
down, don't get into that. Rounds alternate, and stop once the goal is reached, as it isn't
reached by luck; they go on for long before it counts as missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Race", "race"]


@dataclass(frozen=True, slots=True)
class Race:
    """How a race ended: both best times, in seconds, after so many rounds."""

    seconds: float
    rival_seconds: float
    rounds: int

    @property
    def ratio(self) -> float:
        """The student's time as a multiple of the rival's."""
        return self.seconds / self.rival_seconds if self.rival_seconds > 0 else float("inf")


def race(
    attempt: Callable[[], Sequence[float]],
    rival: Callable[[], object],
    *,
    goal: float,
    rounds: tuple[int, int] = (2, 20),
    patience: float = 1.5,
) -> Race:
    """Let `attempt` and `rival` take turns until the ratio of their times is down to `goal`.

    `attempt()` returns the durations, in seconds, of some calls of the student's function; it
    should give each call other values, and check the answers. `rounds` are the least and the
    most; who is still far from the goal after `patience` seconds of calls gets no more.
    """
    least, most = rounds
    seconds: list[float] = []
    rival_seconds: list[float] = []
    busy = 0.0
    for done in range(1, most + 1):
        began, began_work = time.perf_counter(), time.thread_time()
        rival()
        # A mean, as some systems count CPU time in steps of milliseconds.
        busy += time.thread_time() - began_work
        rival_seconds.append(time.perf_counter() - began)
        seconds += attempt()
        ended = Race(min(seconds), min(*rival_seconds, busy / done), done)
        hopeless = sum(seconds) > patience and ended.ratio > 3 * goal
        if done >= least and (ended.ratio <= goal or hopeless):
            break
    return ended
