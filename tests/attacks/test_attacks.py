"""Every attack, graded: no points gained, no secret seen, the next submission unharmed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from pathlib import Path

import pytest

from autograder.assignment import Assignment
from autograder.grade import Grader
from autograder.outcome import Outcome
from autograder.reports.gradescope import gradescope
from autograder.result import CheckResult, ExerciseResult, Result, Status
from autograder.submission import Submission

from .attack import Attack
from .catalogue import ATTACKS
from .forging import TACTICS
from .tactic import Tactic

_UNPRINTABLE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@pytest.fixture
def solution(operators: Assignment) -> str:
    """The honest source that each attack is added to."""
    return operators.solution_files["operators.py"].decode()


@pytest.fixture(scope="session", autouse=True)
def layers(unguarded: Grader, operators: Assignment) -> None:
    """Skips everything on a host whose sandbox is not whole: there some of this is open."""
    honest = Submission.from_files(operators.solution_files)
    for name, state in unguarded.grade(honest, only=["bias"]).isolation.items():
        if not state.startswith("active"):
            pytest.skip(f"open on this host: {name} is {state}")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_sandbox_alone_holds(
    unguarded: Grader, solution: str, canary: str, staff_file: Path, attack: Attack
) -> None:
    source = attack.source(solution).replace("@STAFF@", str(staff_file))
    result = judged(unguarded, source, "matmul", canary)
    matmul = exercise(result, "matmul")
    assert passed(matmul) == set(attack.earns)
    assert result.score == matmul.score == worth(matmul, set(attack.earns))
    check = first_failed(matmul)
    assert check.outcome in attack.outcomes, check
    assert check.failure is not None
    told = f"{check.failure.rationale} {check.failure.expected} {check.failure.actual}"
    assert attack.words.casefold() in told.casefold(), check.failure
    assert_unharmed(unguarded, solution, "bias", canary)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_policy_gives_nothing_away_either(
    guarded: Grader, solution: str, canary: str, staff_file: Path, attack: Attack
) -> None:
    if attack.outcomes == {Outcome.TIMED_OUT}:
        pytest.skip("says nothing that the sandbox alone didn't, and takes seconds")
    source = attack.source(solution).replace("@STAFF@", str(staff_file))
    result = judged(guarded, source, "matmul", canary)
    matmul = exercise(result, "matmul")
    # Stopped before it ran, or run and worth what the sandbox alone made of it.
    assert passed(matmul) in (set(), set(attack.earns))
    assert result.score == matmul.score == worth(matmul, passed(matmul))


@pytest.mark.parametrize("tactic", TACTICS, ids=lambda tactic: tactic.name)
def test_a_forgery_earns_what_its_honest_part_deserves(
    unguarded: Grader, solution: str, canary: str, tactic: Tactic
) -> None:
    result = judged(unguarded, tactic.source(solution), "bias", canary)
    assert result.status is Status.GRADED, result.messages
    bias = exercise(result, "bias")
    if tactic.outcome is not Outcome.PASSED:
        check = first_failed(bias)
        assert check.outcome is tactic.outcome, check
        assert check.failure is not None
        assert re.search(tactic.says, check.failure.rationale, re.DOTALL), check.failure
    assert passed(bias) == set(tactic.earns)
    assert result.score == bias.score == worth(bias, set(tactic.earns))
    assert_unharmed(unguarded, solution, "bias", canary)


def judged(grader: Grader, source: str, name: str, canary: str) -> Result:
    """The result of a submission, after asserting what must hold whatever it did."""
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    before = descendants()
    submission = Submission.from_files({"operators.py": source.encode("utf-8", "surrogatepass")})
    result = grader.grade(submission, only=[name])
    report = gradescope(result)
    canonical = json.dumps(result.to_json(), allow_nan=False)
    assert canary not in canonical + json.dumps(report, allow_nan=False)
    assert len(canonical) < 200_000
    assert result.status is not Status.GRADER_ERROR, result.fault
    for text in (report["output"], *(test["output"] for test in report["tests"])):
        assert not _UNPRINTABLE.search(text)
        assert "Traceback (most recent call last)" not in text
    for check in exercise(result, name).checks:
        assert check.score is not None
        assert 0 <= check.score <= check.max_score
    # The next submission's worker waits already; it has met no student code.
    grader._sandbox.discard_spare()
    assert wait_until(lambda: descendants() <= before), "it left a process behind"
    assert wait_until(lambda: len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1)
    return result


def assert_unharmed(grader: Grader, solution: str, name: str, canary: str) -> None:
    """The same grader gives the next, honest submission full marks."""
    honest = exercise(judged(grader, solution, name, canary), name)
    assert honest.score == honest.max_score, [c for c in honest.checks if c.failure]


def exercise(result: Result, name: str) -> ExerciseResult:
    """The exercise of that id."""
    return next(e for e in result.exercises if e.id == name)


def passed(graded: ExerciseResult) -> set[str]:
    """Which checks pass, by the last part of their ids."""
    return {
        check.id.rpartition(".")[2] for check in graded.checks if check.outcome is Outcome.PASSED
    }


def worth(graded: ExerciseResult, checks: set[str]) -> float:
    """The points of some checks."""
    shares = {check.id.rpartition(".")[2]: check.max_score for check in graded.checks}
    return round(sum(shares[name] for name in checks), 2)


def first_failed(graded: ExerciseResult) -> CheckResult:
    """The first check that ran and did not pass."""
    unremarkable = (Outcome.PASSED, Outcome.NOT_RUN)
    return next(check for check in graded.checks if check.outcome not in unremarkable)


def descendants() -> set[int]:
    """Every living process below this one."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                parent = int(stat[stat.rindex(")") + 2 :].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: set[int] = set()
    pending = [os.getpid()]
    while pending:
        below = children.get(pending.pop(), [])
        found.update(below)
        pending.extend(below)
    return found


def wait_until(condition: object, seconds: float = 15.0) -> bool:
    """Whether `condition()` comes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():  # type: ignore[operator]
            return True
        time.sleep(0.01)
    return False
