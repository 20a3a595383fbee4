"""Two results of one submission into one: correctness from one machine, timing from another.

A course without a GPU in its grading image grades in two stages. The first runs everything but the
checks that need the clock, which end as `not_run`; the second runs these, on a machine with a GPU:
`autograder grade … --only timing`. Points and maxima are the same as if one machine had done all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autograder.errors import InputError
from autograder.outcome import Failure, Outcome
from autograder.result import CheckResult, ExerciseResult, Result, Status
from autograder.scoring import total
from autograder.timing import TAG

__all__ = ["merge", "noted", "pending"]

_NOTE = "still to be timed: "


def pending(result: Result) -> tuple[CheckResult, ...]:
    """The checks that need the clock and haven't met it yet."""
    return tuple(
        check
        for exercise in result.exercises
        for check in exercise.checks
        if TAG in check.tags and check.outcome is Outcome.NOT_RUN
    )


def noted(result: Result) -> Result:
    """The result with a line for the student on what is pending, if anything is."""
    lines = [line for line in result.messages if not line.startswith(_NOTE)]
    points = {
        exercise.id: total([check.max_score for check in exercise.checks if check in waiting])
        for waiting in [pending(result)]
        for exercise in result.exercises
    }
    named = [f"{name} ({worth:g} points)" for name, worth in points.items() if worth]
    if named:
        lines.append(f"{_NOTE}{', '.join(named)}; these points are not in yet")
    return replace(result, messages=tuple(lines))


def merge(cpu: Result, gpu: Result) -> Result:
    """The result with the timing checks of `gpu` and everything else of `cpu`.

    A check that both have run counts as it ended worse: the machines may differ in what they let
    pass. A speed counts only once its exercise's first check has passed, on either machine. Raises
    InputError if the two don't belong together, naming what differs.
    """
    _require_same(cpu, gpu)
    exercises = tuple(
        _merge_exercise(ours, theirs)
        for ours, theirs in zip(cpu.exercises, gpu.exercises, strict=True)
    )
    score = total([exercise.score for exercise in exercises])
    # A fault of a stage that has been run again since is history.
    faults = [fault for fault in (cpu.fault, gpu.fault) if fault is not None and score is None]
    status = Status.REJECTED if cpu.status is Status.REJECTED else Status.GRADED
    if score is None:
        status = Status.GRADER_ERROR
    merged = replace(
        cpu,
        status=status,
        score=score,
        exercises=exercises,
        isolation=_both(cpu.isolation, gpu.isolation),
        messages=tuple(dict.fromkeys((*cpu.messages, *gpu.messages))),
        versions=_both(cpu.versions, gpu.versions),
        seconds=round(cpu.seconds + gpu.seconds, 3),
        complete=cpu.complete and gpu.complete,
        fault="\n".join(faults) or None,
    )
    return noted(merged)


def _merge_exercise(cpu: ExerciseResult, gpu: ExerciseResult) -> ExerciseResult:
    checks = [_pick(ours, theirs) for ours, theirs in zip(cpu.checks, gpu.checks, strict=True)]
    gate = next((check for check in checks if TAG not in check.tags), None)
    if gate is not None and gate.outcome is not Outcome.PASSED:
        checks = [_withheld(check, gate) if TAG in check.tags else check for check in checks]
    score = total([check.score for check in checks])
    return replace(cpu, score=score, checks=tuple(checks))


def _pick(cpu: CheckResult, gpu: CheckResult) -> CheckResult:
    ran = [check for check in (cpu, gpu) if check.outcome is not Outcome.NOT_RUN]
    if not ran:
        return cpu
    if len(ran) == 1:
        return ran[0]
    if TAG in cpu.tags:
        return gpu
    # A fault of ours decides nothing, and isn't to be covered up by the other machine's answer.
    faulty = next((check for check in ran if check.score is None), None)
    return faulty or min(ran, key=lambda check: check.score or 0.0)


def _withheld(check: CheckResult, gate: CheckResult) -> CheckResult:
    if check.score is None or gate.score is None:
        return check
    failure = Failure(f"counts only once this passes: {gate.title}")
    return replace(check, outcome=Outcome.NOT_RUN, score=0.0, failure=failure, leaderboard=None)


def _require_same(cpu: Result, gpu: Result) -> None:
    for what, ours, theirs in _identity(cpu, gpu):
        if ours != theirs:
            raise InputError(
                f"the two results don't belong together: {what} is {ours!r} in the first and "
                f"{theirs!r} in the second; grade the same submission with the same course on both"
            )


def _identity(cpu: Result, gpu: Result) -> Iterator[tuple[str, object, object]]:
    yield "the assignment", cpu.assignment, gpu.assignment
    yield "the submission", cpu.submission[:12], gpu.submission[:12]
    ours, theirs = (result.versions.get("autograder") for result in (cpu, gpu))
    yield "the autograder's version", ours, theirs
    yield "the list of exercises", [e.id for e in cpu.exercises], [e.id for e in gpu.exercises]
    for first, second in zip(cpu.exercises, gpu.exercises, strict=True):
        yield f"the maximum of {first.id}", first.max_score, second.max_score
        known, found = ([(c.id, c.max_score) for c in e.checks] for e in (first, second))
        yield f"the list of checks of {first.id}", known, found


def _both(cpu: Mapping[str, str], gpu: Mapping[str, str]) -> dict[str, str]:
    """The first machine's entries; where the second differs, both."""
    other = {key: value for key, value in gpu.items() if cpu.get(key, value) != value}
    return {**gpu, **cpu, **{f"{key} (timing)": value for key, value in other.items()}}
