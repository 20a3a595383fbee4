"""The least time in which a machine can do the work: who is faster hasn't done it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import torch

from autograder.sandbox.timed_worker import TimedWorker
from autograder.timing.recipe import recipe_of, uniform
from autograder.timing.rounds import Charge

__all__ = ["SOURCE", "Ceilings", "floor_seconds", "measure"]

SOURCE = b"""\
def copy(x):
    return x.clone()


def product(a, b):
    return a @ b
"""
"""What a trusted worker runs to find out how fast the machine is."""

# A floor is there to catch work that wasn't done, not to judge: caches, and units that a plain
# product doesn't use, may make honest code faster than what we measure.
_SLACK = {"cuda": 1.25, "cpu": 3.0}

_CHAINS = 5
_CALLS = 8


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Bytes and floating-point operations a second; 0 for what wasn't measured."""

    bytes_rate: float = 0.0
    flops_rate: float = 0.0


def floor_seconds(bytes_moved: float, flops: float, ceilings: Ceilings, device: str) -> float:
    """Seconds that one call can't be faster than: the larger of both terms of the roofline model.

    Williams, Waterman, Patterson: Roofline, CACM 52(4), 2009; less some slack.
    """
    slack = _SLACK[device.partition(":")[0]]
    moving = bytes_moved / ceilings.bytes_rate if ceilings.bytes_rate else 0.0
    computing = flops / ceilings.flops_rate if ceilings.flops_rate else 0.0
    return max(moving, computing) / slack


def measure(
    trusted: TimedWorker,
    bytes_moved: float,
    flops: float,
    dtype: torch.dtype,
    device: str,
    charge: Charge,
    *,
    timeout: float,
) -> Ceilings:
    """This machine's ceilings for work of about this size; `trusted` has loaded `SOURCE`."""

    def seconds(function: str, *arguments: object) -> float:
        recipe = recipe_of(arguments)
        trusted.prepare(function, recipe, device, calls=2, count=_CALLS, timeout=timeout)
        times: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(_CHAINS):
            for skip, found in times.items():
                run = trusted.time(_CALLS, timeout=timeout, skip=skip)
                found.append(charge(run.elapsed))
        # The best of the work and the usual overhead: the ceiling is rather too high than too low.
        return max(min(times[False]) - median(times[True]), 0.0) / _CALLS

    bytes_rate = flops_rate = 0.0
    if bytes_moved:
        count = _between(bytes_moved / 8, 1 << 14, 1 << 26)
        taken = seconds("copy", uniform(count, dtype=torch.float32))
        bytes_rate = 8 * count / taken if taken else 0.0
    if flops:
        size = _between((flops / 2) ** (1 / 3), 64, 8192)
        # On a CPU half precision is slower than single, which an honest kernel may use inside.
        kind = dtype if device.startswith("cuda") and dtype.is_floating_point else torch.float32
        operand = uniform(size, size, dtype=kind)
        taken = seconds("product", operand, operand)
        flops_rate = 2 * size**3 / taken if taken else 0.0
    return Ceilings(bytes_rate, flops_rate)


def _between(value: float, low: int, high: int) -> int:
    return min(max(round(value), low), high)
