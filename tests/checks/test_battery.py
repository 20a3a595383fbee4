"""The batteries: each check passes for what is right and fails for the fault it is there for."""

from __future__ import annotations

import types

import pytest
import torch

from autograder.checks import (
    CheckFailed,
    OperatorChecks,
    StableOperatorChecks,
    arguments,
    tensors,
    values,
)
from autograder.student import InProcess, Student


class Scale(OperatorChecks):
    forward, backward = "scale", "scale_backward"
    cases = arguments(x=tensors("*batch d"), w=tensors("d"), k=2)
    defaults = {"k": 2}  # noqa: RUF012 (a constant of the class)

    def oracle(self, x, w, k):
        return k * x * w


class Softplus(StableOperatorChecks):
    forward, backward = "softplus", "softplus_backward"
    cases = arguments(x=tensors("*s", extreme=values.extreme(1e4)))

    def oracle(self, x):
        return torch.nn.functional.softplus(x)

    def natural_size(self, x):
        return x.abs() + 1

    def natural_gradients(self, grad_output, x):
        return [grad_output.abs()]


def scale(x, w, k=2):
    return k * x * w


def scale_backward(grad_output, x, w, k=2):
    lead = tuple(range(x.ndim - 1))
    grad_w = (k * grad_output * x).sum(lead) if lead else k * grad_output * x
    return k * grad_output * w, grad_w


def student(**functions) -> Student:
    module = types.ModuleType("answers")
    vars(module).update({"scale": scale, "scale_backward": scale_backward, **functions})
    return Student(InProcess(module), ["scale", "scale_backward", "softplus", "softplus_backward"])


CHECKS = [name for name in dir(OperatorChecks) if name.startswith("test_")]


@pytest.mark.parametrize("check", CHECKS)
def test_a_right_answer_passes(check):
    getattr(Scale(), check)(student())


def drops_precision(x, w, k=2):
    return scale(x.bfloat16(), w.bfloat16(), k).to(x.dtype)


def in_float32(x, w, k=2):
    return scale(x.float(), w.float(), k)


def in_float64(x, w, k=2):
    return scale(x.double(), w.double(), k)


def in_place(x, w, k=2):
    x *= w
    return k * x


def spoils_upstream(grad_output, x, w, k=2):
    answer = scale_backward(grad_output.clone(), x, w, k)
    grad_output.zero_()
    return answer


def renamed(a, w, k=2):
    return scale(a, w, k)


def other_default(x, w, k=3):
    return scale(x, w, k)


def needs_contiguous(x, w, k=2):
    return scale(x.view(-1).view(x.shape), w, k)


def in_place_in_views(x, w, k=2):
    if x.is_contiguous() or 0 in x.stride():
        return scale(x, w, k)
    x *= w
    return x * k


def fails_on_empty(x, w, k=2):
    if x.numel() == 0:
        raise ValueError("empty")
    return scale(x, w, k)


def assumes_ones(grad_output, x, w, k=2):
    return scale_backward(torch.ones_like(grad_output), x, w, k)


def squares_upstream(grad_output, x, w, k=2):
    return scale_backward(grad_output * grad_output.abs(), x, w, k)


@pytest.mark.parametrize(
    ("check", "functions"),
    [
        ("test_forward", {"scale": drops_precision}),
        ("test_forward", {"scale": in_float32}),
        ("test_float32", {"scale": in_float64}),
        ("test_gradients", {"scale_backward": assumes_ones}),
        ("test_gradcheck", {"scale_backward": assumes_ones}),
        ("test_gradcheck", {"scale": lambda x, w, k=2: scale(x, w, k) * 1.5}),
        ("test_linear_in_upstream", {"scale_backward": squares_upstream}),
        ("test_leaves_inputs_alone", {"scale": in_place}),
        ("test_leaves_inputs_alone", {"scale": in_place_in_views}),
        ("test_leaves_inputs_alone", {"scale_backward": spoils_upstream}),
        ("test_keywords", {"scale": renamed}),
        ("test_keywords", {"scale": other_default}),
        ("test_strided", {"scale": needs_contiguous}),
        ("test_empty", {"scale": fails_on_empty}),
        ("test_gradients", {"scale_backward": lambda grad_output, x, w, k=2: None}),
        ("test_gradients", {"scale_backward": lambda grad_output, x, w, k=2: (grad_output,)}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value.values())).__name__,
)
def test_a_fault_is_caught_by_its_check(check, functions):
    from autograder.student import StudentFault

    with pytest.raises((CheckFailed, StudentFault)) as caught:
        getattr(Scale(), check)(student(**functions))
    assert caught.value.failure.rationale


def test_refusing_views_is_no_change_of_inputs():
    Scale().test_leaves_inputs_alone(student(scale=needs_contiguous))


def test_the_changed_input_is_named():
    with pytest.raises(CheckFailed, match="`scale` changed its input x in place"):
        Scale().test_leaves_inputs_alone(student(scale=in_place))


def naive(x):
    return (1 + x.exp()).log()


def stable(x):
    return x.clamp(min=0) + torch.log1p((-x.abs()).exp())


def slope(grad_output, x):
    return grad_output * torch.sigmoid(x)


def test_overflow_is_caught_only_where_it_matters():
    good = student(softplus=stable, softplus_backward=slope)
    bad = student(softplus=naive, softplus_backward=slope)
    Softplus().test_extreme(good)
    with pytest.raises(CheckFailed, match="softplus"):
        Softplus().test_extreme(bad)


def halves(grad_output, x, w, k=2):
    return tuple(g / 2 for g in scale_backward(grad_output, x, w, k))


def test_a_gradcheck_failure_shows_both_jacobians():
    with pytest.raises(CheckFailed) as failed:
        Scale().test_gradcheck(student(scale_backward=halves))
    failure = failed.value.failure
    assert "does not agree with numerical derivatives of your own `scale`" in failure.rationale
    assert "Jacobian" in (failure.expected or "")
    assert "Jacobian" in (failure.actual or "")


def test_a_gradient_that_is_there_without_an_upstream_fails_gradcheck_with_the_reason():
    def never_zero(grad_output, x, w, k=2):
        if not grad_output.any():
            return torch.ones_like(x), torch.ones_like(w)
        return scale_backward(grad_output, x, w, k)

    with pytest.raises(CheckFailed, match="not zero for an upstream gradient of zeros"):
        Scale().test_gradcheck(student(scale_backward=never_zero))
