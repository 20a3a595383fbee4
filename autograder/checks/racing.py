"""Timing a student's function against a rival on the same machine, in the same run.

Two clocks, so that nothing that student code does can make it look faster. The student's calls are
timed from outside, by the wall clock, and the best one counts: whatever stalls the machine can
only make them slower, and one call in peace is enough. The rival runs in the grader and is timed
by the CPU time of its thread, on average: threads that student code left running in order to
slow the rival down don't get into that. Rounds alternate, and stop once the goal is reached, as
it can't be reached by luck; they go on for long before it counts as missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Race", "race"]


@dataclass(frozen=True, slots=True)
class Race:
    """How a race ended: the student's best time and the rival's mean, in seconds."""

    seconds: float
    rival_seconds: float

    @property
    def ratio(self) -> float:
        """The student's time as a multiple of the rival's."""
        return self.seconds / self.rival_seconds if self.rival_seconds > 0 else float("inf")


def race(
    attempt: Callable[[], float],
    rival: Callable[[], object],
    *,
    goal: float,
    rounds: tuple[int, int] = (3, 15),
    patience: float = 1.5,
) -> Race:
    """Let `attempt` and `rival` take turns until the ratio of their times is down to `goal`.

    `attempt()` returns the duration of one call of the student's function in seconds; it should
    give each call other values, and check the answer. `rounds` are the least and the most;
    whoever has used up `patience` seconds after the least number of rounds gets no more.
    """
    best, spent, rival_spent = float("inf"), 0.0, 0.0
    least, most = rounds
    for done in range(1, most + 1):
        began = time.thread_time()
        rival()
        rival_spent += time.thread_time() - began
        seconds = attempt()
        best, spent = min(best, seconds), spent + seconds
        ended = Race(best, rival_spent / done)
        if done >= least and (ended.ratio <= goal or spent > patience):
            break
    return ended
