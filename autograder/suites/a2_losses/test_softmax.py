"""softmax and log_softmax: along any dimension, with any logits."""

from __future__ import annotations

from decimal import Decimal, localcontext

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st

from autograder.checks import (
    Case,
    StableOperatorChecks,
    arguments,
    assert_close,
    assert_results,
    contract,
    custom,
    exercise,
    for_all,
    for_each,
    tensors,
)
from autograder.checks.cases import laid_out
from autograder.checks.logits import far_apart, natural_size
from autograder.checks.values import normal, tied, uniform

# Differences of O(1) at any size, and differences of any size; all are exact in float32.
ROWS = (
    (0.0, 0.0),
    (3.0, -1.0, 0.5, 2.25),
    (1e4, 1e4),
    (-1e4, -1e4),
    (1e4, 9999.5, 9997.25),
    (-9999.5, -9998.75, -1e4),
    (5000.25, 5000.0, 4999.0, 1e4 - 5001.0),
    (1e4, -1e4),
    (-1e4, 0.0, 1e4),
    (89.0, 88.5, -104.0),
    (710.0, 709.5, -746.0),
)


def slices(values):
    """x and dim: an int of either sign, anywhere among the dimensions."""

    @custom
    def build(drawer):
        shape, classes = list(drawer.leading("others")), drawer.size("c")
        at = drawer.draw(st.integers(0, len(shape)))
        shape.insert(at, classes)
        hostile = drawer.variation.values == "extreme"
        x = drawer.tensor_of(tuple(shape), far_apart(dim=at) if hostile else values)
        return {"x": x, "dim": at - drawer.draw(st.sampled_from((0, len(shape))))}

    return build


@custom
def shifts(drawer):
    """x and dim, and a whole number for each slice: x + shift is exact in float64."""
    case = slices(lambda *given: (normal(2.0)(*given) * 256).round() / 256).build(drawer)
    shape = list(case["x"].shape)
    shape[case["dim"]] = 1
    return {**case, "shift": drawer.tensor_of(tuple(shape), tied(-9000, 9000))}


class SliceChecks(StableOperatorChecks):
    """What softmax and its logarithm have in common."""

    cases = slices(normal(2.0))
    defaults = {"dim": -1}  # noqa: RUF012 (a constant of the class)
    default_cases = arguments(x=tensors("*others c", normal(2.0)), dim=-1)

    def natural_size(self, x, dim):
        return natural_size(x, dim)

    def natural_gradients(self, grad_output, x, dim):
        return [grad_output.abs().sum(dim, keepdim=True)]

    def saved(self, arguments, output):
        """The forward's result as the backward gets it: a view if x was one."""
        return output if arguments["x"].is_contiguous() else laid_out(output, "sliced")

    @weight(4)
    def test_extreme(self, student):
        """`{forward}` and `{backward}` stay finite and right for inputs up to ±10,000"""
        super().test_extreme(student)

    @contract(after=("test_forward",))
    def test_shift(self, student):
        """`{forward}` stays the same if all entries of a slice grow by the same number"""

        def body(case):
            x, dim, shift = case.values
            assert_close(
                student.call(self.forward, x + shift, dim).value,
                self.oracle(x, dim),
                what=f"`{self.forward}` of x + shift",
                scale=natural_size(x + shift, dim),
            )

        for_all(shifts.cases(), body, examples=6)

    @contract(after=("test_forward", "test_gradients"))
    def test_gradients_add_up_to_zero(self, student):
        """`{backward}` adds up to 0 along dim: to shift a whole slice changes nothing"""

        def body(call):
            (grad,), dim = self._gradients(student, call), call.case.arguments["dim"]
            total = grad.sum(dim)
            assert_close(
                total,
                torch.zeros_like(total),
                what=f"the sum of `{self.backward}` along dim",
                scale=call.grad_output.abs().sum(dim),
            )

        many = arguments(x=tensors("*others 50", uniform(-20.0, 20.0)), dim=-1)
        for cases in (self.cases, many):
            for_all(self.pullbacks(cases=cases), body, examples=4)


@exercise("softmax")
class TestSoftmax(SliceChecks):
    forward, backward = "softmax", "softmax_backward"

    def oracle(self, x, dim):
        return torch.softmax(x, dim)

    def backward_arguments(self, arguments, output):
        return {"probs": self.saved(arguments, output), "dim": arguments["dim"]}


@exercise("log_softmax")
class TestLogSoftmax(SliceChecks):
    forward, backward = "log_softmax", "log_softmax_backward"

    def oracle(self, x, dim):
        return torch.log_softmax(x, dim)

    def backward_arguments(self, arguments, output):
        return {"log_probs": self.saved(arguments, output), "dim": arguments["dim"]}

    @weight(2)
    def test_exact_values(self, student):
        """`{forward}` is right to nine digits (four in float32) also beside large numbers"""

        def body(case):
            (x,) = case.values
            assert_results(
                student.call(self.forward, x).value,
                torch.tensor(exact_log_softmax(x.tolist()), dtype=torch.float64),
                function=self.forward,
                names=self.results,
                scale=torch.ones(x.shape, dtype=torch.float64),
                dtype=x.dtype,
            )

        for_each(
            (Case({"x": torch.tensor(row, dtype=dtype)})
             for dtype in (torch.float64, torch.float32) for row in ROWS),
            body,
        )  # fmt: skip


def exact_log_softmax(row):
    """log softmax of a row with 50 digits, by the definition: no trick is needed there."""
    with localcontext(prec=50):
        numbers = [Decimal(number) for number in row]
        normaliser = sum(number.exp() for number in numbers).ln()
        return [float(number - normaliser) for number in numbers]
