"""Max and average pooling: who wins, who shares, and what the padding may do."""

from __future__ import annotations

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st
from torch.nn.functional import avg_pool2d, max_pool2d

from autograder.checks import (
    Case,
    OperatorChecks,
    combinations,
    custom,
    exercise,
    for_all,
    for_each,
    sliding_windows,
)
from autograder.checks.gradients import vjp
from autograder.checks.values import distinct, normal, tied, uniform

EVERY_SETTING = combinations(
    kernel_size=(2, (3, 2), (2, 4)), stride=(None, 1, 2, (1, 3)), padding=(0, 1, (1, 0))
)


def pools(values=None, smooth=None, **ranges):
    """A pool's arguments."""

    @custom
    def build(drawer):
        small = drawer.variation.smooth
        windows = sliding_windows(drawer, pool=True, **{"kernel": (1, 4), **ranges})
        n = 0 if drawer.variation.empty else drawer.draw(st.integers(1, 1 if small else 3))
        c = drawer.draw(st.integers(1, 2 if small else 3))
        chosen = smooth if small and smooth is not None else values
        return {"x": drawer.tensor_of((n, c, *windows.image), chosen), **windows.settings}

    return build


def largest(tensor):
    """The largest absolute value, as a 0-dim tensor."""
    return tensor.abs().max() if tensor.numel() else torch.zeros((), dtype=torch.float64)


class PoolChecks(OperatorChecks):
    """What both kinds of pooling have in common."""

    defaults = {"stride": None, "padding": 0}  # noqa: RUF012 (a constant of the class)

    @weight(4)
    def test_every_combination(self, student):
        """`{forward}` and `{backward}` are right for every combination of their settings"""
        x = normal()((2, 2, 7, 6), torch.Generator().manual_seed(4))

        def body(case):
            self.check_forward(student, case)
            self.check_gradients(student, self.pullback(case))

        for_each((Case({"x": x, **settings}) for settings in EVERY_SETTING), body)

    def test_unreached_pixels(self, student):
        """`{backward}` gives pixels that no window reaches the gradient 0"""
        self.check_calls(student, pools(stride=(2, 4), padding=(0, 0), left_over=True))

    def check_calls(self, student, cases):
        def body(call):
            self.check_forward(student, call.case)
            self.check_gradients(student, call)

        for_all(self.pullbacks(cases=cases), body, examples=8)


@exercise("max_pool")
class TestMaxPool(PoolChecks):
    forward, backward = "max_pool2d", "max_pool2d_backward"
    cases = pools(smooth=distinct())
    default_cases = pools(kernel=(2, 3), stride=None, padding=(0, 0))

    def oracle(self, x, kernel_size, stride, padding):
        return max_pool2d(x, kernel_size, stride, padding)

    def natural_size(self, x, kernel_size, stride, padding):
        # A maximum is one of the pixels, exactly.
        return None

    def natural_gradients(self, grad_output, **arguments):
        return vjp(self.oracle, arguments, ("x",), grad_output.abs())

    @weight(3)
    def test_ties(self, student):
        """Of equal pixels the first wins, row by row: `{backward}` gives it the whole gradient"""
        self.check_calls(student, pools(tied(-1, 1), kernel=(2, 4)))

    @weight(2)
    def test_padding_never_wins(self, student):
        """Padding never wins, not even where all pixels are negative"""
        # Some pad with a number that is only rather small.
        for values in (uniform(-3.0, -1.0), uniform(-2e12, -1e12)):
            self.check_calls(student, pools(values, kernel=(2, 4), padding=(1, 2)))


@exercise("avg_pool")
class TestAvgPool(PoolChecks):
    forward, backward = "avg_pool2d", "avg_pool2d_backward"
    cases = pools()
    default_cases = pools(kernel=(2, 3), stride=None, padding=(0, 0))

    def oracle(self, x, kernel_size, stride, padding):
        return avg_pool2d(x, kernel_size, stride, padding)

    # On the scale of the whole image, as differences of running sums round on it.

    def natural_size(self, x, **settings):
        return largest(x)

    def natural_gradients(self, grad_output, **arguments):
        return [largest(grad_output)]

    @weight(2)
    def test_padding_counts(self, student):
        """The divisor is kh·kw everywhere: the padding's zeros count"""
        self.check_calls(student, pools(kernel=(3, 4), padding=(1, 2), room=(1, 4)))
