"""Stateful steps are judged by their trajectories, with old states handed back."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from autograder.checks.compare import CheckFailed
from autograder.checks.forall import CheckRun, check_run
from autograder.checks.journeys import Journey, Run
from autograder.checks.steps import AFTERMATH, StepChecks
from autograder.student import InProcess, Student, StudentRaised

CHECKS = [name for name in dir(StepChecks) if name.startswith("test_")]


class HeavyBall(StepChecks):
    function = "step"
    choices = {"momentum": (0.9, 0.5), "decay": (0.0, 0.1)}  # noqa: RUF012
    defaults = {"momentum": 0.9, "decay": 0.0}  # noqa: RUF012

    def path(self, param, grads, rates, momentum, decay):
        buffer = 0.0
        for grad, lr in zip(grads, rates, strict=True):
            buffer = momentum * buffer + grad + decay * param
            param = param - lr * buffer
            yield param


def right(param, grad, state, *, lr, momentum=0.9, decay=0.0):
    buffer = momentum * state.get("buffer", 0.0) + grad + decay * param
    return param - lr * buffer, {"buffer": buffer}


def forgetful(param, grad, state, *, lr, momentum=0.9, decay=0.0):
    return param - lr * (grad + decay * param), {"buffer": grad}


def student_of(function):
    module = ModuleType("mine")
    module.step = function
    return Student(InProcess(module), ["step"])


def numbers(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype)


def journey_of(*grads, param=None, lr=0.1, dtype=torch.float64):
    start = numbers(1.0, dtype=dtype) if param is None else param
    gradients = [numbers(grad, dtype=dtype) for grad in grads]
    run = Run(start, gradients, (lr,) * len(grads))
    return Journey((run,), {"momentum": 0.5, "decay": 0.0}, (0,) * len(grads))


def failure_of(function, journey):
    with pytest.raises(CheckFailed) as caught:
        HeavyBall().follow(student_of(function), journey)
    return caught.value


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_step_passes_every_check(check):
    getattr(HeavyBall(), check)(student_of(right))


@pytest.mark.parametrize("check", ["test_trajectory", "test_every_combination", "test_float32"])
def test_a_step_without_a_memory_fails_in_the_second_step(check):
    with check_run(CheckRun(failures=[])), pytest.raises(CheckFailed) as caught:
        getattr(HeavyBall(), check)(student_of(forgetful))
    failure = caught.value.failure
    assert failure.rationale.startswith("the parameter after step 2 of `step` is wrong")
    assert failure.example.startswith("param = float")
    assert "momentum = 0.9" in failure.example


def test_the_evidence_goes_on_after_the_first_wrong_step_but_not_forever():
    caught = failure_of(forgetful, journey_of(*range(1, 12)))
    assert len(caught.mismatch.actual) == len(caught.mismatch.expected) == 2 + AFTERMATH


def test_a_replay_is_what_a_stand_in_would_have_answered():
    journey = journey_of(1.0, 2.0, 3.0)
    mismatch = failure_of(forgetful, journey).mismatch
    torch.testing.assert_close(mismatch.replay(forgetful), mismatch.actual)
    torch.testing.assert_close(mismatch.replay(right), mismatch.expected)


def test_a_stand_in_that_writes_into_its_arguments_spoils_nothing():
    def writes(param, grad, state, *, lr, **settings):
        grad.mul_(2.0)
        state["seen"] = True
        return param.sub_(lr * grad), state

    journey = journey_of(1.0, 2.0, 3.0)
    mismatch = failure_of(forgetful, journey).mismatch
    first = mismatch.replay(writes)
    torch.testing.assert_close(mismatch.replay(writes), first)
    assert [float(grad) for grad in journey.runs[0].grads] == [1.0, 2.0, 3.0]


def test_runs_take_turns_and_branches_go_on_from_old_states():
    start = numbers(0.0)
    trunk = Run(start, [numbers(1.0), numbers(2.0)], (1.0, 1.0))
    branch = Run(start, [numbers(1.0), numbers(5.0)], (1.0, 1.0), branches=(0, 1))
    journey = Journey((trunk, branch), {"momentum": 0.5, "decay": 0.0}, (0, 0, 1))
    given = []

    def spy(param, grad, state, **settings):
        given.append((float(param), float(grad), state))
        return right(param, grad, state, **settings)

    places = [(i, n) for i, n, _ in journey.walk(spy)]
    assert places == [(0, 1), (0, 2), (1, 2)]
    assert [entry[:2] for entry in given] == [(0.0, 1.0), (-1.0, 2.0), (-1.0, 5.0)]
    assert given[0][2] == {}
    assert given[1][2] is given[2][2]
    HeavyBall().follow(student_of(right), journey)


def test_a_memory_outside_of_the_state_fails_the_check_of_old_states():
    memory = {}

    def remembers(param, grad, state, *, lr, momentum=0.9, decay=0.0):
        old = memory["buffer"] if state else 0.0
        memory["buffer"] = momentum * old + grad + decay * param
        return param - lr * memory["buffer"], {"started": True}

    with pytest.raises(CheckFailed, match="the parameter after step") as caught:
        HeavyBall().test_old_states(student_of(remembers))
    assert "go back to an old state" in caught.value.failure.help


def test_an_exception_in_a_later_step_says_which():
    def breaks(param, grad, state, *, lr, **settings):
        if state.get("steps") == 2:
            raise ValueError("no more")
        new, _ = right(param, grad, state, lr=lr, momentum=0.0)
        return new, {"steps": state.get("steps", 0) + 1}

    journey = journey_of(0.0, 0.0, 0.0)
    with pytest.raises(StudentRaised, match=r"ValueError: no more \(in step 3, after right ones\)"):
        HeavyBall().follow(student_of(breaks), journey)


@pytest.mark.parametrize(
    "wrong", [None, numbers(1.0), (numbers(1.0),), (numbers(1.0), None), (numbers(1.0), [1])]
)
def test_another_structure_than_parameter_and_state_is_refused(wrong):
    caught = failure_of(lambda *args, **settings: wrong, journey_of(1.0))
    assert caught.failure.rationale == (
        "`step` must return two things: the new param, a tensor, and the new state, a dict"
    )


def test_lists_are_accepted_and_so_is_the_dict_that_came_in():
    def plain(param, grad, state, *, lr, momentum, decay):
        return [param - lr * grad, state]

    journey = journey_of(1.0, 2.0)
    settings = {"momentum": 0.0, "decay": 0.0}
    HeavyBall().follow(student_of(plain), Journey(journey.runs, settings, journey.order))


def drifting(by):
    """The right step, but for an error in the parameter that is returned."""

    def step(param, grad, state, **settings):
        new, state = right(param.double(), grad.double(), state, **settings)
        return (new + by).to(param.dtype), state

    return step


def test_float32_is_measured_by_the_largest_parameter_on_the_way():
    # From 100 to about 0: what was lost of the 100 can't come back.
    start = numbers(100.0, dtype=torch.float32)
    back = journey_of(1000.0, -500.0, param=start, dtype=torch.float32)
    HeavyBall().follow(student_of(drifting(1e-3)), back)
    failure_of(drifting(1e-2), back)


def test_float64_is_measured_by_each_elements_own_way():
    start = numbers(1.0, 1e6)
    run = Run(start, [numbers(0.0, 0.0)], (0.1,))
    journey = Journey((run,), {"momentum": 0.5, "decay": 0.0}, (0,))

    def step(param, grad, state, **settings):
        return param + numbers(1e-6, 0.0), state

    failure_of(step, journey)


def test_the_description_ends_with_the_step_that_matters():
    journey = journey_of(1.0, 2.0, 3.0)
    assert journey.describe(0, 2) == (
        "param = float64[1] [1], grads = float64[2, 1] [[1], [2]], lr = 0.1, "
        "momentum = 0.5, decay = 0.0"
    )


def test_a_changed_state_is_told_from_a_changed_tensor():
    def writes(param, grad, state, *, lr, momentum=0.9, decay=0.0):
        state["buffer"] = momentum * state.get("buffer", 0.0) + grad + decay * param
        return param - lr * state["buffer"], state

    with pytest.raises(CheckFailed) as caught:
        HeavyBall().test_leaves_inputs_alone(student_of(writes))
    assert caught.value.failure.rationale == "`step` changed its input state in place"
    assert "a new dict" in caught.value.failure.help


def test_misspelled_parameters_and_other_defaults_fail_the_check_of_keywords():
    def renamed(theta, grad, state, *, lr, momentum=0.9, decay=0.0):
        return right(theta, grad, state, lr=lr, momentum=momentum, decay=decay)

    def other_default(param, grad, state, *, lr, momentum=0.8, decay=0.0):
        return right(param, grad, state, lr=lr, momentum=momentum, decay=decay)

    with pytest.raises(StudentRaised, match="param"):
        HeavyBall().test_keywords(student_of(renamed))
    with pytest.raises(CheckFailed):
        HeavyBall().test_keywords(student_of(other_default))
