"""The seam in process: private copies, faults, and what a check may learn from it."""

from __future__ import annotations

import types

import pytest
import torch

from autograder.outcome import Failure, Outcome
from autograder.student import (
    InProcess,
    Reply,
    Student,
    StudentMissing,
    StudentRaised,
    StudentTimedOut,
)

SOURCE = """
import torch
calls = []
def double(x): return 2 * x
def spoil(x, y=None):
    x.mul_(0)
    return x
def reshape(x):
    x.resize_(1)
    return x
def keep(state): state["n"] = 2; return state
def strides(x): return x.stride()
def stub(x): raise NotImplementedError("stub")
def leave(x): raise SystemExit(0)
def boom(x): raise ValueError("x" * 10_000)
NUMBER = 3
"""


@pytest.fixture
def student(tmp_path) -> Student:
    file = tmp_path / "things.py"
    file.write_text(SOURCE)
    module = types.ModuleType("things")
    module.__file__ = str(file)
    exec(compile(SOURCE, str(file), "exec"), module.__dict__)
    names = ["double", "spoil", "reshape", "keep", "strides", "stub", "leave", "boom", "NUMBER"]
    return Student(InProcess(module), [*names, "absent"])


def test_a_call_answers(student):
    assert torch.equal(student.double(torch.ones(2)), torch.full((2,), 2.0))
    assert student.double(x=3) == 6


def test_only_the_assignments_functions_exist(student):
    with pytest.raises(
        AttributeError, match="no exercise of this assignment has a function 'other'"
    ):
        student.other  # noqa: B018


def test_changing_an_input_is_noticed_and_harmless(student):
    x, y = torch.ones(3), torch.ones(2)
    reply = student.call("spoil", x, y=y)
    assert reply.mutated == ("0",)
    assert torch.equal(x, torch.ones(3))
    assert student.call("spoil", x=x).mutated == ("x",)
    assert student.call("reshape", torch.ones(4)).mutated == ("0",)
    assert student.call("keep", {"n": 1}).mutated == ("0",)
    assert student.call("double", torch.tensor([float("nan")])).mutated == ()


def test_copies_keep_their_layout(student):
    base = torch.arange(24.0)
    for view in (base.view(4, 6).t(), base[3::2], base[:1].expand(3, 5), torch.ones(0, 3)):
        assert student.strides(view) == view.stride()
    assert student.strides(torch.tensor(1.0)) == ()


def test_a_stub_says_that_it_is_not_implemented(student):
    with pytest.raises(StudentRaised, match="`stub` is not implemented yet") as raised:
        student.stub(1)
    assert raised.value.not_implemented
    assert raised.value.outcome is Outcome.RAISED


def test_even_system_exit_is_a_fault(student):
    with pytest.raises(StudentRaised, match="raised SystemExit: 0"):
        student.leave(1)


def test_a_message_is_cut_and_the_place_is_the_students(student):
    with pytest.raises(StudentRaised) as raised:
        student.boom(1)
    assert len(raised.value.failure.rationale) < 600
    assert raised.value.failure.where == "things.py:15 in boom"


def test_a_missing_function_is_named(student):
    with pytest.raises(StudentMissing, match=r"things.py does not define `absent`"):
        student.absent()
    with pytest.raises(StudentMissing, match=r"`NUMBER` in things.py is not a function but int"):
        student.NUMBER()


class Dying:
    """A backend whose worker dies at the second call."""

    def __init__(self) -> None:
        self.calls = 0

    def call(self, function, args, kwargs) -> Reply:
        self.calls += 1
        if self.calls > 1:
            raise StudentTimedOut(Failure(f"timed out in call {self.calls}"))
        return Reply(self.calls)


def test_after_a_fatal_fault_the_check_is_over_and_the_next_one_is_not():
    backend = Dying()
    student = Student(backend, ["f"])
    assert student.f() == 1
    for _ in range(3):
        with pytest.raises(StudentTimedOut, match="in call 2"):
            student.f()
    assert backend.calls == 2
    assert [call.value for call in student.calls] == [1]
    student.begin_check()
    assert student.calls == ()
    with pytest.raises(StudentTimedOut, match="in call 3"):
        student.f()
