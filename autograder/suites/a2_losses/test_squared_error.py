"""mse: three reductions of the squared differences."""

from __future__ import annotations

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st

from autograder.checks import (
    OperatorChecks,
    Variation,
    arguments,
    custom,
    exercise,
    for_all,
    tensors,
)
from autograder.checks.values import normal, uniform

FACTORS = {"sum": 1.0, "half_sum": 0.5}


def reductions_of(pred):
    """A mean over nothing isn't graded."""
    return st.sampled_from(("mean", "sum") if pred.numel() else ("sum",))


@custom
def close_and_large(drawer):
    """pred and target of size 10,000 that differ by about 1, both exact in float32."""

    def in_64ths(values):
        return lambda *given: (values(*given) * 64).round() / 64

    shape = drawer.leading("shape")
    target = drawer.tensor_of(shape, in_64ths(uniform(-1e4, 1e4)))
    gap = drawer.tensor_of(shape, in_64ths(normal()))
    return {"pred": target + gap, "target": target, "reduction": drawer.draw(reductions_of(gap))}


def errors(reduction):
    """mse_loss's arguments."""
    return arguments(pred=tensors("*shape"), target=tensors("*shape"), reduction=reduction)


@exercise("mse")
class TestMse(OperatorChecks):
    forward, backward = "mse_loss", "mse_loss_backward"
    wrt = ("pred",)
    cases = errors(reductions_of)
    defaults = {"reduction": "mean"}  # noqa: RUF012 (a constant of the class)
    default_cases = errors("mean")

    def oracle(self, pred, target, reduction):
        squares = (pred - target).square()
        return squares.mean() if reduction == "mean" else squares.sum() * FACTORS[reduction]

    def natural_size(self, pred, target, reduction):
        # Squares don't cancel: their sum is its own natural size.
        return None

    def natural_gradients(self, grad_output, pred, target, reduction):
        # The difference may also be taken last: g·2·pred − g·2·target.
        size = 2.0 * grad_output.abs() * (pred.abs() + target.abs())
        return [size / pred.numel() if reduction == "mean" else size]

    @weight(3)
    def test_half_sum(self, student):
        """`{forward}` and `{backward}` are right for the reduction half_sum"""
        self.check_both(student, cases=errors("half_sum"), examples=10)

    def test_close_and_large(self, student):
        """`{forward}` keeps its digits where pred and target are large and close to each other"""
        for dtype in (torch.float64, torch.float32):
            for_all(
                close_and_large.cases(Variation(dtype=dtype)),
                lambda case, dtype=dtype: self.check_forward(student, case, dtype=dtype),
                examples=6,
            )
