"""Two results of one submission as one: some exercises were graded again, the others were not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from autograder.result import Result, Status
from autograder.scoring import total

__all__ = ["combine"]


def combine(old: Result, new: Result, only: Collection[str]) -> Result:
    """`new` for the exercises in `only`, `old` for the others; the rest is the new result's.

    A new result that rejects the whole submission is returned as it is.
    """
    if new.status is Status.REJECTED:
        return new
    earlier = {exercise.id: exercise for exercise in old.exercises}
    exercises = tuple(
        fresh if fresh.id in only else earlier.get(fresh.id, fresh) for fresh in new.exercises
    )
    score = total([exercise.score for exercise in exercises])
    return replace(
        new,
        exercises=exercises,
        score=score,
        status=Status.GRADER_ERROR if score is None else Status.GRADED,
        # The new ones say what was left out; now nothing is.
        messages=old.messages,
        seconds=round(old.seconds + new.seconds, 3),
    )
