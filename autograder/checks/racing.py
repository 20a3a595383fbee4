"""Timing a student's function against a rival on the same machine, in the same run.

Nothing that student code does can make it look faster. Its calls are timed from outside, by the
wall clock, and the best one counts: whatever stalls the machine only makes them slower, and one
call in peace is enough. The rival runs in the grader. Its best time counts too, but never more than
the CPU time of its thread: threads that student code left running, in order to slow the rival
down, don't get into that. Rounds alternate, and stop once the goal is reached, as it isn't
reached by luck; they go on for long before it counts as missed.

Then there is the machine on which no call is left in peace. Where the rival too had to wait for
most of its time, and the student is clearly fast enough in comparison with *that*, nobody can tell:
this is no result, and certainly not a zero.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from autograder.errors import GraderError

__all__ = ["Race", "race"]

_TOO_BUSY = 2.0
"""Wall-clock time as a multiple of CPU time: waiting as long as working."""


@dataclass(frozen=True, slots=True)
class Race:
    """How a race ended: both best times, in seconds."""

    seconds: float
    rival_seconds: float

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
    most; who is still far from the goal after `patience` seconds of calls gets no more. Raises
    GraderError if the goal was missed, but maybe only because the machine is too busy.
    """
    least, most = rounds
    own: list[float] = []
    walls: list[float] = []
    working = 0.0
    for done in range(1, most + 1):
        began, began_working = time.perf_counter(), time.thread_time()
        rival()
        working += time.thread_time() - began_working
        walls.append(time.perf_counter() - began)
        own += attempt()
        # A mean, as some systems count CPU time in steps of milliseconds.
        ended = Race(min(own), min(*walls, working / done))
        hopeless = sum(own) > patience and ended.ratio > 3 * goal
        if done >= least and (ended.ratio <= goal or hopeless):
            break
    busy = sum(walls) > _TOO_BUSY * working
    # Half the goal, as a process that has just worked hard (the rival's) waits longer than another.
    if ended.ratio > goal and busy and median(own) <= goal / 2 * median(walls):
        raise GraderError(
            f"this machine is too busy to time code: work of {1000 * working / done:.0f} ms took "
            f"{1000 * median(walls):.0f} ms; grade again with fewer jobs, or when it is idle"
        )
    return ended
