"""How much of a processor this container may use, and what time limits mean there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autograder.config import Limits

__all__ = ["cores_granted", "scaled"]

_CGROUPS = Path("/sys/fs/cgroup")
_MOST = 4.0
"""Times that limits are stretched at most: below a quarter of a core nothing is graded in time."""


def cores_granted(cgroups: Path = _CGROUPS) -> float | None:
    """The container's share of processor time in cores, e.g. 0.5; None if it has no limit."""
    for quota, period in (
        (cgroups / "cpu.max", None),
        (cgroups / "cpu" / "cpu.cfs_quota_us", cgroups / "cpu" / "cpu.cfs_period_us"),
    ):
        try:
            words = quota.read_text().split()
            if period is not None:
                words += period.read_text().split()
            allowed, of = float(words[0]), float(words[1])
        except (OSError, ValueError, IndexError):
            # Not there, or "max".
            continue
        if allowed > 0 and of > 0:
            return allowed / of
    return None


def scaled(limits: Limits, cores: float | None, seconds: float) -> Limits:
    """The limits for a machine that grants `cores`: as much computing as on a whole core.

    Limits of one import and one call are wall-clock seconds, so half a core needs twice as many.
    Those of an exercise and a submission are charged without the time that the machine made us
    wait (`autograder.budget`). A submission still gets at most 80 % of `seconds`, what the run may
    take: a grade must be out by then, or there is none.
    """
    factor = 1.0 if cores is None else min(max(1.0, 1 / cores), _MOST)
    return replace(
        limits,
        import_seconds=limits.import_seconds * factor,
        call_seconds=limits.call_seconds * factor,
        total_seconds=min(limits.total_seconds, 0.8 * seconds),
    )
