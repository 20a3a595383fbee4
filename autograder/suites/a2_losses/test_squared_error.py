"""mse: three reductions of the squared differences."""

from __future__ import annotations

from hypothesis import strategies as st

from autograder.checks import OperatorChecks, arguments, custom, exercise, for_all, tensors
from autograder.checks.values import normal, uniform

REDUCTIONS = ("mean", "sum", "half_sum")


def reductions_of(pred):
    """A mean over nothing isn't graded."""
    return st.sampled_from(REDUCTIONS if pred.numel() else REDUCTIONS[1:])


@custom
def close_and_large(drawer):
    """pred and target of size 10,000 that differ by about 1, both exact in float32."""
    shape = drawer.leading("shape")
    target = drawer.tensor_of(shape, lambda *given: (uniform(-1e4, 1e4)(*given) * 64).round() / 64)
    gaps = drawer.tensor_of(shape, lambda *given: (normal()(*given) * 64).round() / 64)
    return {"pred": target + gaps, "target": target, "reduction": drawer.draw(reductions_of(gaps))}


@exercise("mse")
class TestMse(OperatorChecks):
    forward, backward = "mse_loss", "mse_loss_backward"
    wrt = ("pred",)
    cases = arguments(pred=tensors("*shape"), target=tensors("*shape"), reduction=reductions_of)
    defaults = {"reduction": "mean"}  # noqa: RUF012 (a constant of the class)
    default_cases = arguments(pred=tensors("*shape"), target=tensors("*shape"), reduction="mean")

    def oracle(self, pred, target, reduction):
        squares = (pred - target) ** 2
        return {"mean": squares.mean, "sum": squares.sum, "half_sum": lambda: squares.sum() / 2}[
            reduction
        ]()

    def natural_size(self, pred, target, reduction):
        # Squares don't cancel: their sum is its own natural size.
        return None

    def natural_gradients(self, grad_output, pred, target, reduction):
        # The difference may also be taken last: g·2·pred − g·2·target.
        size = 2.0 * grad_output.abs() * (pred.abs() + target.abs())
        return [size / pred.numel() if reduction == "mean" else size]

    def test_close_and_large(self, student):
        """`{forward}` keeps its digits where pred and target are large and close to each other"""
        for_all(close_and_large.cases(), lambda case: self.check_forward(student, case), examples=8)
