"""Requests sent ahead: faster, and otherwise as if calls had gone one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from autograder.assignment import Assignment
from autograder.attempt import Attempt, sandbox_for
from autograder.config import Config
from autograder.grade import Grader
from autograder.outcome import Outcome
from autograder.result import Result
from autograder.sandbox import Sandbox
from autograder.sandbox.request import Request
from autograder.student import Reply, StudentCrashed, StudentMissing, StudentRaised, StudentTimedOut
from autograder.submission import Submission

COUNTING = """
import os, time
import torch
calls = 0
def add_bias(x, b):
    global calls
    calls += 1
    if calls == {at}:
        {what}
    return x + b + 0
def add_bias_backward(grad_output):
    return torch.tensor(float(calls))
"""


@pytest.fixture(scope="module")
def config(operators: Assignment) -> Config:
    limits = replace(operators.config.limits, call_seconds=0.5, exercise_seconds=4)
    return replace(operators.config, limits=limits)


@pytest.fixture(scope="module")
def sandbox(config: Config) -> Iterator[Sandbox]:
    with sandbox_for(config) as made:
        yield made


def attempt_at(
    sandbox: Sandbox, config: Config, source: str, script: list[Request] | None
) -> Attempt:
    attempt = Attempt(sandbox, config, {"operators.py": source.encode()})
    attempt.begin(config.exercise("bias"), script or ())
    attempt.begin_check(None if script is None else 0)
    return attempt


def inputs(count: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [(torch.full((2, 3), float(i)), torch.ones(3)) for i in range(count)]


def script(count: int) -> list[Request]:
    return [Request.of("add_bias", given, {}) for given in inputs(count)]


def test_a_known_script_is_answered_in_order_and_ahead(sandbox: Sandbox, config: Config) -> None:
    source = COUNTING.format(at=-1, what="pass")
    with attempt_at(sandbox, config, source, script(100)) as attempt:
        for x, b in inputs(20):
            assert torch.equal(attempt.call("add_bias", (x, b), {}).value, x + b)
        # Off the script: nothing of it is left over, and the worker is the same.
        seen = attempt.call("add_bias_backward", (torch.ones(1),), {}).value
    assert 20 < seen <= 20 + 32


def test_only_calls_that_were_not_made_ahead_know_their_duration(
    sandbox: Sandbox, config: Config
) -> None:
    source = COUNTING.format(at=-1, what="pass")
    with attempt_at(sandbox, config, source, script(10)) as attempt:
        replies = [attempt.call("add_bias", given, {}) for given in inputs(3)]
        attempt.one_by_one = True
        alone = attempt.call("add_bias", inputs(4)[3], {})
    assert replies[-1].seconds is None
    assert isinstance(alone, Reply)
    assert alone.seconds is not None
    assert alone.seconds > 0


def test_a_check_without_a_script_leaves_one(sandbox: Sandbox, config: Config) -> None:
    source = COUNTING.format(at=-1, what="pass")
    with attempt_at(sandbox, config, source, None) as attempt:
        for given in inputs(3):
            attempt.call("add_bias", given, {})
        assert attempt.end_check() == script(3)
        attempt.begin_check(0)
        assert attempt.end_check() is None


def test_the_next_check_begins_before_the_last_one_ends(sandbox: Sandbox, config: Config) -> None:
    source = COUNTING.format(at=-1, what="pass")
    with attempt_at(sandbox, config, source, script(9)) as attempt:
        for given in inputs(3):
            attempt.call("add_bias", given, {})
        attempt.end_check()
        attempt.begin_check(3)
        for given in inputs(9)[3:5]:
            reply = attempt.call("add_bias", given, {})
            assert torch.equal(reply.value, given[0] + given[1])
        # This one ends early, and the third begins elsewhere than expected.
        attempt.end_check()
        attempt.begin_check(8)
        x, b = inputs(9)[8]
        assert torch.equal(attempt.call("add_bias", (x, b), {}).value, x + b)
        # All nine were made once, and the last one again.
        assert attempt.call("add_bias_backward", (torch.ones(1),), {}).value == 10


def test_a_request_too_large_to_keep_ends_the_script_it_leaves(
    sandbox: Sandbox, config: Config
) -> None:
    source = COUNTING.format(at=-1, what="pass")
    large = (torch.ones(100, 1000), torch.ones(1000))
    with attempt_at(sandbox, config, source, None) as attempt:
        for given in [inputs(1)[0], large, inputs(1)[0]]:
            attempt.call("add_bias", given, {})
        assert attempt.end_check() == script(1)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("at", [1, 5])
@pytest.mark.parametrize(
    ("what", "fault"),
    [
        ("raise ValueError('no')", StudentRaised),
        ("os._exit(0)", StudentCrashed),
        ("time.sleep(60)", StudentTimedOut),
        ("x.data = torch.zeros(3_000_000)", None),
    ],
    ids=["raises", "dies", "hangs", "answers at length"],
)
def test_a_fault_belongs_to_the_call_that_made_it(
    sandbox: Sandbox, config: Config, what: str, fault: type | None, at: int, ahead: bool
) -> None:
    source = COUNTING.format(at=at, what=what)
    with attempt_at(sandbox, config, source, script(50) if ahead else None) as attempt:
        for index, given in enumerate(inputs(at), start=1):
            if index == at and fault is not None:
                with pytest.raises(fault):
                    attempt.call("add_bias", given, {})
            elif index == at:
                attempt.end_check()
                attempt.begin_check(None)
            else:
                assert torch.equal(attempt.call("add_bias", given, {}).value, given[0] + given[1])


def test_who_hangs_in_a_call_that_nobody_waits_for_is_replaced(
    sandbox: Sandbox, config: Config
) -> None:
    source = COUNTING.format(at=3, what="time.sleep(60)")
    with attempt_at(sandbox, config, source, script(50)) as attempt:
        attempt.call("add_bias", inputs(1)[0], {})
        # The check ends here, while the third call hangs.
        attempt.end_check()
        attempt.begin_check(None)
        assert attempt.call("add_bias_backward", (torch.ones(1),), {}).value == 0


def test_a_function_that_is_missing_is_not_asked_ahead(sandbox: Sandbox, config: Config) -> None:
    source = "def add_bias(x, b): return x + b"
    backward = Request.of("add_bias_backward", (torch.ones(1),), {})
    mixed = [*script(2), backward, *script(2)]
    with attempt_at(sandbox, config, source, mixed) as attempt:
        for given in inputs(2):
            attempt.call("add_bias", given, {})
        with pytest.raises(StudentMissing):
            attempt.call("add_bias_backward", (torch.ones(1),), {})
        x, b = inputs(1)[0]
        assert torch.equal(attempt.call("add_bias", (x, b), {}).value, x + b)


WRONG = {
    "wrong from some size on": "def add_bias(x, b): return x + b if x.numel() < 6 else x - b",
    "raises for empty": "def add_bias(x, b):\n    assert x.numel()\n    return x + b",
    "leaves for vectors": "def add_bias(x, b):\n    if x.dim() == 1: raise SystemExit(0)\n"
    "    return x + b",
    "missing": "del add_bias_backward",
    "changes its input": "def add_bias(x, b):\n    x += b\n    return x.clone()",
    "right": "",
}


def plain(result: Result) -> object:
    return [
        (check.id, check.outcome, check.score, check.failure)
        for exercise in result.exercises
        for check in exercise.checks
    ]


@pytest.mark.parametrize("name", WRONG)
def test_a_grade_is_the_same_whether_the_checks_have_scripts_or_not(
    grader: Grader, operators: Assignment, name: str
) -> None:
    solution = operators.solution_files["operators.py"].decode()
    submission = Submission.from_files({"operators.py": f"{solution}\n\n{WRONG[name]}\n".encode()})
    grader._scripts.clear()
    before = grader.grade(submission, only={"bias", "power"})
    grader.grade(Submission.from_files(operators.solution_files), only={"bias", "power"})
    assert grader._scripts
    after = grader.grade(submission, only={"bias", "power"})
    assert plain(after) == plain(before)
    assert (name == "right") == all(
        check.outcome is Outcome.PASSED
        for exercise in after.exercises
        if exercise.id in ("bias", "power")
        for check in exercise.checks
    )
