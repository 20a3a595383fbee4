"""Times a submission's functions: one measurement from the lock to the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from statistics import median

import torch

from autograder.errors import AutograderError, GraderError
from autograder.outcome import Failure
from autograder.sandbox.timed_worker import TimedWorker
from autograder.sandbox.wire import DTYPES
from autograder.student import StudentFault, StudentReplyInvalid
from autograder.timing import roofline
from autograder.timing.audit import Audit
from autograder.timing.lock import exclusive, identity
from autograder.timing.rounds import Plan, alone, charge_for, contest
from autograder.timing.stand import Stand
from autograder.timing.task import Task
from autograder.timing.verdict import (
    SETTLED,
    Inconclusive,
    Rival,
    Round,
    Thresholds,
    Verdict,
    judge,
)

__all__ = ["Timer"]

_WARM_UP_CALLS = 3
_FIRST_CALLS = 4
_CHAIN_SECONDS = {"cuda": 0.02, "cpu": 0.02}
_MOST_CALLS = 64
_COPIES_BYTES = {"cuda": 1 << 32, "cpu": 1 << 26}
_REVEAL_BYTES = 1 << 26
_REVEALS = 2
_SLOWEST = 30.0
"""A chain may take this many times the baseline's; who needs longer has timed out."""
_DISTURBED = 1.1


class Timer:
    """What a submission is timed with.

    `spawn(function)` starts a fresh worker that has loaded the submission; it raises StudentFault,
    also if that function is missing.
    `confined` says that a worker can't start processes; `call_seconds` is what one call may take.
    """

    def __init__(
        self,
        stand: Stand,
        spawn: Callable[[str], TimedWorker],
        device: str,
        thresholds: Thresholds,
        *,
        confined: bool,
        call_seconds: float,
    ) -> None:
        self._stand = stand
        self._spawn = spawn
        self._charge = charge_for(device, confined=confined)
        self._call_seconds = call_seconds
        self.device = device
        self.thresholds = thresholds

    def time(self, task: Task) -> Verdict:
        """Time one task, and once more in fresh processes if the first time says nothing.

        Raises StudentFault, what `task.compare` raises, Inconclusive, and GraderError.
        """
        with exclusive(identity(self.device)):
            try:
                return self._measure(task)
            except Inconclusive:
                return self._measure(task)

    def _measure(self, task: Task) -> Verdict:
        audit = Audit(task.function, task.recipe, self.device, task.compare)
        with ExitStack() as stack:
            trusted = stack.enter_context(closing(self._trusted(task.baselines, task.baseline)))
            plan = self._plan(trusted, task)
            before = alone(trusted, plan, self._charge)
            with closing(self._spawn(task.function)) as student:
                # Compilation and autotuning happen here, outside of every clock.
                student.prepare(
                    task.function, task.recipe, self.device, calls=_WARM_UP_CALLS,
                    count=plan.calls, timeout=_WARM_UP_CALLS * self._call_seconds,
                )  # fmt: skip
                rounds = contest(student, trusted, audit, plan, self.thresholds, self._charge)
            after = partial(alone, trusted, plan, self._charge)
            self._refuse_disturbance(rounds, before, plan, after)
        verdict = judge(rounds, plan.calls, self.thresholds, task.rival)
        self._refuse_miracles(task, rounds, verdict, plan)
        return verdict

    def _trusted(self, source: bytes, function: str) -> TimedWorker:
        return self._stand.worker(source, function, timeout=10 * self._call_seconds)

    def _plan(self, trusted: TimedWorker, task: Task) -> Plan:
        """Chains that take long enough to be timed, within memory. Checks the baseline, too."""
        kind = self.device.partition(":")[0]
        timeout = 10 * self._call_seconds
        try:
            trusted.prepare(
                task.baseline, task.recipe, self.device, calls=_WARM_UP_CALLS,
                count=_FIRST_CALLS, timeout=timeout,
            )  # fmt: skip
            run = trusted.time(_FIRST_CALLS, timeout=timeout)
            (results,) = trusted.reveal([0], timeout=timeout)
            if task.rival is Rival.TORCH:
                audit = Audit(task.baseline, task.recipe, self.device, task.compare)
                audit.judge(run, [0], [results])
            size = max(sum(result.nbytes for result in results), 1)
            seconds = min(
                self._charge(trusted.time(_FIRST_CALLS, timeout=timeout).elapsed) for _ in range(3)
            )
            wanted = round(_CHAIN_SECONDS[kind] * _FIRST_CALLS / max(seconds, 1e-9))
            calls = max(_FIRST_CALLS, min(wanted, _MOST_CALLS, _COPIES_BYTES[kind] // size))
            trusted.prepare(
                task.baseline, task.recipe, self.device, calls=1, count=calls, timeout=timeout
            )
        except StudentFault as fault:
            raise GraderError(f"the baseline `{task.baseline}` {fault}") from fault
        except AutograderError as failed:
            if isinstance(failed, GraderError):
                raise
            raise GraderError(
                f"the baseline `{task.baseline}` fails its own check: {failed}"
            ) from failed
        reveals = max(1, min(_REVEALS, _REVEAL_BYTES // size, calls))
        longest = max(self._call_seconds, _SLOWEST * seconds / _FIRST_CALLS * calls)
        return Plan(calls, reveals, longest)

    def _refuse_disturbance(
        self, rounds: Sequence[Round], before: float, plan: Plan, again: Callable[[], float]
    ) -> None:
        """Raise Inconclusive if the baseline was slow only while the submission's process lived."""
        beside = median(r.baseline for r in rounds)
        if beside <= _DISTURBED * before:
            return
        undisturbed = [replace(r, baseline=r.baseline * before / beside) for r in rounds]
        try:
            gained = _fraction(rounds, plan, self.thresholds) - _fraction(
                undisturbed, plan, self.thresholds
            )
        except Inconclusive:
            return  # for another reason, which will be found again
        if gained > SETTLED and beside > _DISTURBED * again():
            raise Inconclusive(
                f"the baseline took {1e3 * beside:.2f} ms a chain in turns with this submission, "
                f"and {1e3 * before:.2f} ms without it: something of it disturbs the machine"
            )

    def _refuse_miracles(
        self, task: Task, rounds: Sequence[Round], verdict: Verdict, plan: Plan
    ) -> None:
        """Raise StudentReplyInvalid for a time in which this machine can't do the work."""
        slowest = max(r.student for r in rounds) - median(r.overhead for r in rounds)
        if verdict.seconds <= 0:
            raise Inconclusive(
                "the function took no time that could be told from drawing inputs and hashing "
                "results; look at what it does, or choose a larger size"
            )
        if not (task.bytes_moved or task.flops):
            return
        dtype = next((DTYPES[n["dtype"]] for n in task.recipe if "draw" in n), torch.float32)
        function = "copy" if task.bytes_moved else "product"
        with closing(self._trusted(roofline.SOURCE, function)) as trusted:
            ceilings = roofline.measure(
                trusted, task.bytes_moved, task.flops, dtype, self.device, self._charge,
                timeout=plan.timeout,
            )  # fmt: skip
        floor = roofline.floor_seconds(task.bytes_moved, task.flops, ceilings, self.device)
        if slowest / plan.calls < floor:
            raise StudentReplyInvalid(
                Failure(
                    f"`{task.function}` took less time than this machine needs to do the work",
                    expected=f"at least {1e6 * floor:.3g} µs",
                    actual=f"{1e6 * verdict.seconds:.3g} µs",
                )
            )


def _fraction(rounds: Sequence[Round], plan: Plan, thresholds: Thresholds) -> float:
    return judge(rounds, plan.calls, thresholds).fraction
