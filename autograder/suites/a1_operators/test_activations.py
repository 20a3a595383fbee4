"""The element-wise functions: right everywhere, also where a naive formula overflows."""

from __future__ import annotations

import torch

from autograder.checks import (
    Case,
    Pullback,
    StableOperatorChecks,
    arguments,
    contract,
    exercise,
    for_all,
    tensors,
)
from autograder.checks.values import away_from, extreme, log_uniform, normal, tied, uniform


class ActivationChecks(StableOperatorChecks):
    """Both directions, with terms of natural size 1 unless a class says otherwise."""

    cases = arguments(x=tensors("*shape", normal(2.0), extreme=extreme(1e4)))

    def natural_size(self, x):
        return torch.ones_like(x)

    def natural_gradients(self, grad_output, x):
        return [grad_output.abs() * self.natural_size(x)]


@exercise("activations")
class TestRelu(ActivationChecks):
    forward, backward = "relu", "relu_backward"
    cases = arguments(x=tensors("*shape", normal(2.0), smooth=away_from(0.0), extreme=extreme(1e4)))
    at_the_kink = arguments(x=tensors("*shape n", tied(-1, 1)))

    def oracle(self, x):
        return x.relu()

    def natural_size(self, x):
        return x.abs()

    def test_gradient_at_zero(self, student):
        """`{backward}` is 0 where x is exactly 0"""
        for_all(
            self.pullbacks(cases=self.at_the_kink),
            lambda call: self.check_gradients(student, call),
            examples=6,
        )


@exercise("activations")
class TestSigmoid(ActivationChecks):
    forward, backward = "sigmoid", "sigmoid_backward"

    def oracle(self, x):
        return x.sigmoid()


@exercise("activations")
class TestTanh(ActivationChecks):
    forward, backward = "tanh", "tanh_backward"

    def oracle(self, x):
        return x.tanh()


@exercise("activations")
class TestGelu(ActivationChecks):
    forward, backward = "gelu", "gelu_backward"

    def oracle(self, x):
        return torch.nn.functional.gelu(x)

    def natural_size(self, x):
        return x.abs()


@exercise("activations")
class TestSilu(ActivationChecks):
    forward, backward = "silu", "silu_backward"

    def oracle(self, x):
        return torch.nn.functional.silu(x)

    def natural_size(self, x):
        return x.abs()


@exercise("activations")
class TestExp(ActivationChecks):
    forward, backward = "exp", "exp_backward"
    # Above 88 float32 overflows, which isn't graded.
    cases = arguments(x=tensors("*shape", normal(2.0), extreme=uniform(-300.0, 80.0)))

    def oracle(self, x):
        return x.exp()

    def natural_size(self, x):
        # Relative accuracy down to 1e-13 in float64: below that it counts as zero.
        return torch.full_like(x, 1e-4)

    @contract(after=("test_forward", "test_gradients"))
    def test_beyond_float32(self, student):
        """`{forward}` and `{backward}` go on where float32 ends: float64 reaches e⁷⁰⁰"""
        x = torch.tensor([89.0, 300.0, 700.0, 1.0], dtype=torch.float64)
        case = Case({"x": x})
        self.check_forward(student, case)
        upstream = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
        self.check_gradients(student, Pullback(case, upstream))


@exercise("activations")
class TestLog(ActivationChecks):
    forward, backward = "log", "log_backward"
    cases = arguments(
        x=tensors(
            "*shape", log_uniform(0.1, 10.0), smooth=uniform(0.5, 2.0),
            extreme=log_uniform(1e-20, 1e4),
        )
    )  # fmt: skip

    def oracle(self, x):
        return x.log()

    def natural_gradients(self, grad_output, x):
        return [grad_output.abs() / x]
