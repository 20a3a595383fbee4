"""Rounds: overhead, student and baseline in turns, each chain audited, until it is settled."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

import torch

from autograder.sandbox.timed_worker import Elapsed, TimedChain
from autograder.timing.audit import Audit
from autograder.timing.verdict import Round, Thresholds, is_settled

__all__ = ["CHECKPOINTS", "Charge", "Plan", "Runner", "alone", "charge_for", "contest"]

CHECKPOINTS = (3, 6, 9, 12, 17, 24)
"""After so many rounds it is asked whether the case is settled; after the last one it ends."""

_ATTEMPTS = 3

Charge = Callable[[Elapsed], float]


class Runner(Protocol):
    """What can be timed: a `TimedWorker`."""

    def time(
        self, count: int, *, timeout: float, skip: bool = False, watch: bool = False
    ) -> TimedChain: ...

    def reveal(
        self, indices: Sequence[int], *, timeout: float
    ) -> list[tuple[torch.Tensor, ...]]: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How many calls a chain has, how many of them are revealed, and what a chain may take."""

    calls: int
    reveals: int
    timeout: float


def charge_for(device: str, *, confined: bool) -> Charge:
    """How many seconds a chain on this device counts as.

    On a GPU what passed on the grader's clock. On a CPU the processor time of all the worker's
    threads, or the time in which it had what it needed (no processor to wait for), whichever is
    more: threads save nothing, and a busy machine costs nothing. A worker that isn't confined
    could let another process work, and is charged by the clock.
    """

    def charge(elapsed: Elapsed) -> float:
        if device.startswith("cuda"):
            return elapsed.wall
        if not confined:
            return max(elapsed.wall, elapsed.cpu)
        return max(elapsed.cpu, elapsed.wall - elapsed.waited)

    return charge


def contest(
    student: Runner,
    trusted: Runner,
    audit: Audit,
    plan: Plan,
    thresholds: Thresholds,
    charge: Charge,
) -> list[Round]:
    """Let both take turns. Raises StudentFault, CheckFailed, and Inconclusive."""
    # Not counted: memory that is touched for the first time, whatever is compiled only now, and
    # the watch on what is forbidden.
    _round(student, trusted, audit, plan, charge, forwards=True, watch=True)
    rounds: list[Round] = []
    while True:
        forwards = len(rounds) % 2 == 0
        rounds.append(_round(student, trusted, audit, plan, charge, forwards=forwards))
        done = len(rounds)
        if done == CHECKPOINTS[-1] or (done in CHECKPOINTS and is_settled(rounds, thresholds)):
            return rounds


def alone(trusted: Runner, plan: Plan, charge: Charge, *, chains: int = 5) -> float:
    """The baseline's median seconds a chain while no submission's process exists."""
    runs = [trusted.time(plan.calls, timeout=plan.timeout) for _ in range(chains)]
    return median(charge(run.elapsed) for run in runs)


def _round(
    student: Runner,
    trusted: Runner,
    audit: Audit,
    plan: Plan,
    charge: Charge,
    *,
    forwards: bool,
    watch: bool = False,
) -> Round:
    """Some chains of each kind, in either order, so that a drift of the machine favours nobody.

    Of each kind the best counts: what disturbs a chain only ever makes it slower.
    """
    overhead: list[float] = []
    own: list[float] = []
    baseline: list[float] = []
    turns: list[Callable[[], None]] = [
        lambda: overhead.append(_timed(trusted, plan, charge, skip=True)),
        lambda: own.append(_audited(student, audit, plan, charge, watch=watch)),
        lambda: baseline.append(_timed(trusted, plan, charge)),
    ]
    for attempt in range(_ATTEMPTS):
        for turn in turns if forwards == (attempt % 2 == 0) else reversed(turns):
            turn()
    return Round(min(overhead), min(own), min(baseline))


def _timed(trusted: Runner, plan: Plan, charge: Charge, *, skip: bool = False) -> float:
    return charge(trusted.time(plan.calls, timeout=plan.timeout, skip=skip).elapsed)


def _audited(student: Runner, audit: Audit, plan: Plan, charge: Charge, *, watch: bool) -> float:
    run = student.time(plan.calls, timeout=plan.timeout, watch=watch)
    # Chosen only now, when every digest is committed to.
    indices = sorted(random.SystemRandom().sample(range(plan.calls), plan.reveals))
    audit.judge(run, indices, student.reveal(indices, timeout=plan.timeout))
    return charge(run.elapsed)
