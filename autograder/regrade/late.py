"""What lateness costs: kept apart from the raw score, computed from timestamps, never a clock."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from autograder.config import Late
from autograder.regrade.gradebook import Lateness

__all__ = ["final_score", "lateness"]

_DAY = timedelta(days=1)


def lateness(
    policy: Late, timestamp: datetime | None, due: datetime | None = None, *, marked: bool = False
) -> Lateness | None:
    """How late a submission is under `policy`; None where nothing can be said.

    `due` is the submission's own due date (an extension) and wins over the policy's. A day counts
    as soon as it has begun: one second after the grace is one day. A submission that its platform
    only `marked` as late, without a time, is one day late: that much is certain.
    """
    deadline = due or policy.due
    if timestamp is None or deadline is None:
        return _costing(policy, 1) if marked else None
    over = timestamp - deadline - timedelta(minutes=policy.grace_minutes)
    return _costing(policy, max(0, math.ceil(over / _DAY)))


def final_score(raw: float | None, late: Lateness | None) -> float | None:
    """The score that counts, rounded once to cents."""
    if raw is None or late is None:
        return raw
    return round(raw * late.factor, 2)


def _costing(policy: Late, days: int) -> Lateness:
    lost = min(policy.cap, policy.per_day * days)
    return Lateness(days, max(0.0, round(1.0 - lost, 12)))
