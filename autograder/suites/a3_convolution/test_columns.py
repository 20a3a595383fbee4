"""im2col and col2im: windows become columns, and columns are added back into an image."""

from __future__ import annotations

from dataclasses import replace

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st
from torch.nn.functional import fold, unfold

from autograder.checks import (
    Case,
    CheckFailed,
    Failure,
    FunctionChecks,
    combinations,
    custom,
    exercise,
    for_all,
    for_each,
    sliding_windows,
)
from autograder.checks.compare import RTOL, Mismatch, number
from autograder.checks.values import normal, tied

DEFAULTS = {"stride": 1, "padding": 0, "dilation": 1}
EVERY_SETTING = combinations(
    kernel_size=(2, (3, 2), (1, 3)),
    stride=(1, 2, (1, 2), (3, 1)),
    padding=(0, 1, (0, 2), (2, 1)),
    dilation=(1, 2, (1, 2), (3, 1)),
)
# The largest window, a kernel of 3 with dilation 3 down and 2 with 2 across, spans 7 × 5 pixels.
HEIGHT, WIDTH = 8, 7
ONES = (
    "Of columns full of ones, each pixel must become the number of places at which windows see it: "
    "2 where two windows overlap, 0 where there is none."
)


def batch(drawer):
    """How many images (none, where empty inputs are asked for) of how many channels."""
    n = 0 if drawer.variation.empty else drawer.draw(st.integers(1, 3))
    return n, drawer.draw(st.integers(1, 3))


def images(**ranges):
    """im2col's arguments, with window settings in `ranges`."""

    @custom
    def build(drawer):
        windows = sliding_windows(drawer, **ranges)
        x = drawer.tensor_of((*batch(drawer), *windows.image))
        return {"x": x, **windows.settings}

    return build


def columns(values=None, **ranges):
    """col2im's arguments, with window settings in `ranges`."""

    @custom
    def build(drawer):
        windows = sliding_windows(drawer, **ranges)
        (n, c), (kh, kw), (oh, ow) = batch(drawer), windows.kernel, windows.count
        cols = drawer.tensor_of((n, c * kh * kw, oh * ow), values)
        return {"cols": cols, "input_shape": (n, c, *windows.image), **windows.settings}

    return build


@custom
def image_and_columns(drawer):
    """An image of whole numbers, and col2im's arguments for columns that fit it."""
    made = columns(tied(-4, 4)).build(drawer)
    return {"x": drawer.tensor_of(made["input_shape"], tied(-4, 4)), **made}


def ones(shape, generator):
    return torch.ones(tuple(shape), dtype=torch.float64)


AT_DEFAULTS = {"kernel": (2, 3), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}


@exercise("im2col")
class TestIm2col(FunctionChecks):
    function = "im2col"
    cases = images()
    defaults = DEFAULTS
    default_cases = images(**AT_DEFAULTS)

    def oracle(self, x, kernel_size, stride, padding, dilation):
        return unfold(x, kernel_size, dilation, padding, stride)

    @weight(3)
    def test_every_combination(self, student):
        """`{function}` is right for every combination of kernel, stride, padding and dilation"""
        x = normal()((2, 2, HEIGHT, WIDTH), torch.Generator().manual_seed(1))
        for_each(
            (Case({"x": x, **settings}) for settings in EVERY_SETTING),
            lambda case: self.check_forward(student, case),
        )

    def test_partial_windows(self, student):
        """`{function}` drops windows that would stick out of the padded image"""
        for_all(
            images(left_over=True).cases(),
            lambda case: self.check_forward(student, case),
            examples=8,
        )


@exercise("col2im")
class TestCol2im(FunctionChecks):
    function = "col2im"
    cases = columns()
    defaults = DEFAULTS
    default_cases = columns(**AT_DEFAULTS)

    def oracle(self, cols, input_shape, kernel_size, stride, padding, dilation):
        return fold(cols, input_shape[2:], kernel_size, dilation, padding, stride)

    @weight(3)
    def test_every_combination(self, student):
        """`{function}` is right for every combination of kernel, stride, padding and dilation"""
        generator = torch.Generator().manual_seed(2)
        x = torch.empty((2, 2, HEIGHT, WIDTH), dtype=torch.float64)
        cases = []
        for given in EVERY_SETTING:
            settings = {name: given[name] for name in DEFAULTS}
            shape = unfold(x, given["kernel_size"], **settings).shape
            cols = normal()(shape, generator)
            cases.append(Case({"cols": cols, "input_shape": tuple(x.shape), **given}))
        for_each(cases, lambda case: self.check_forward(student, case))

    @weight(2)
    def test_adjoint(self, student):
        """`{function}` is the adjoint of im2col: ⟨im2col(x), cols⟩ = ⟨x, col2im(cols)⟩"""
        for_all(
            image_and_columns.cases(), lambda case: self.check_adjoint(student, case), examples=10
        )

    def check_adjoint(self, student, case):
        given = dict(case.arguments)
        x = given.pop("x")
        answer = student.call(self.function, *given.values()).value
        if isinstance(answer, torch.Tensor) and answer.shape == x.shape:
            settings = [given[name] for name in ("kernel_size", "dilation", "padding", "stride")]
            left = unfold(x, *settings) * given["cols"]
            right = x * answer.double()
            difference = abs(float(left.sum() - right.sum()))
            if not difference <= RTOL[torch.float64] * float(left.abs().sum()):
                raise CheckFailed(
                    Failure(
                        "⟨x, col2im(cols)⟩ is not ⟨im2col(x), cols⟩",
                        number(float(left.sum())),
                        number(float(right.sum())),
                    ),
                    Mismatch(self.function, answer, self.oracle(**given)),
                )
        self._compare(answer, Case(given), torch.float64)

    def test_counts_overlaps(self, student):
        """`{function}` of ones counts the windows that see each pixel"""

        def body(case):
            try:
                self.check_forward(student, case)
            except CheckFailed as failed:
                # Without the values: on ones, different wrong ideas give the same answer.
                raise CheckFailed(replace(failed.failure, help=ONES)) from None

        for_all(columns(ones, kernel=(2, 3), stride=(1, 2)).cases(), body, examples=8)

    def test_unreached_pixels(self, student):
        """`{function}` gives pixels that no window reaches the value 0, and keeps them"""
        for_all(
            columns(stride=(2, 4), padding=(0, 0), left_over=True).cases(),
            lambda case: self.check_forward(student, case),
            examples=8,
        )
