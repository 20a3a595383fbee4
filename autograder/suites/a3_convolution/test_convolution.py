"""conv2d and its three gradients, with every setting and with groups."""

from __future__ import annotations

import torch
from gradescope_utils.autograder_utils.decorators import weight
from hypothesis import strategies as st
from torch.nn.functional import conv2d

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
from autograder.checks.values import normal

DEFAULTS = {"bias": None, "stride": 1, "padding": 0, "dilation": 1, "groups": 1}
EVERY_SETTING = combinations(
    stride=(1, 2, (1, 2)), padding=(0, 1, (2, 1)), dilation=(1, 2, (2, 1)), groups=(1, 2, 4)
)


def convolutions(*, groups=(1, 3), depth=(1, 2), filters=(1, 2), **ranges):
    """conv2d's arguments: `depth` channels and `filters` filters for each of `groups` blocks."""

    @custom
    def build(drawer):
        small = drawer.variation.smooth
        windows = sliding_windows(drawer, **ranges)
        blocks, deep, wide = (
            drawer.draw(st.integers(low, min(high, 2) if small else high))
            for low, high in (groups, depth, filters)
        )
        most = 1 if small else 3
        n = 0 if drawer.variation.empty else drawer.draw(st.integers(1, most))
        settings = dict(windows.settings)
        del settings["kernel_size"]
        return {
            "x": drawer.tensor_of((n, blocks * deep, *windows.image)),
            "weight": drawer.tensor_of((blocks * wide, deep, *windows.kernel)),
            "bias": drawer.tensor_of((blocks * wide,)),
            **settings,
            "groups": blocks,
        }

    return build


def largest(tensor):
    return float(tensor.abs().max()) if tensor.numel() else 0.0


@exercise("conv2d")
class TestConv2d(OperatorChecks):
    forward, backward = "conv2d", "conv2d_backward"
    wrt = ("x", "weight", "bias")
    cases = convolutions()
    defaults = DEFAULTS
    default_cases = convolutions(
        groups=(1, 1), kernel=(2, 3), stride=(1, 1), padding=(0, 0), dilation=(1, 1)
    )
    gradcheck_cases = convolutions(depth=(1, 1), filters=(1, 1), padding=(0, 1))

    def oracle(self, x, weight, bias, stride, padding, dilation, groups):
        return conv2d(x, weight, bias, stride, padding, dilation, groups)

    # The natural sizes are the same at all positions, those of mere padding included: an algorithm
    # that works on the whole image (by Fourier transforms, say) rounds on that scale everywhere.

    def natural_size(self, x, weight, bias, **settings):
        size = weight.abs().sum((1, 2, 3)) * largest(x)
        return (size if bias is None else size + bias.abs())[:, None, None]

    def natural_gradients(self, grad_output, x, weight, bias, groups, **settings):
        blocks = weight.abs().reshape(groups, -1, *weight.shape[1:]).sum((1, 3, 4))
        each_filter = grad_output.abs().sum((0, 2, 3))
        return [
            blocks.reshape(-1, 1, 1) * largest(grad_output),
            each_filter[:, None, None, None] * largest(x),
            each_filter,
        ]

    def backward_arguments(self, arguments, output):
        return {name: value for name, value in arguments.items() if name != "bias"}

    @weight(4)
    def test_every_combination(self, student):
        """`{forward}` and `{backward}` are right for every combination of their settings"""
        values, generator = normal(), torch.Generator().manual_seed(3)
        x, bias = values((2, 4, 7, 6), generator), values((8,), generator)
        weights = {groups: values((8, 4 // groups, 3, 2), generator) for groups in (1, 2, 4)}
        for_each(
            (
                Case({"x": x, "weight": weights[given["groups"]], "bias": bias, **given})
                for given in EVERY_SETTING
            ),
            lambda case: self.check_case(student, case),
        )

    def check_case(self, student, case):
        self.check_forward(student, case)
        self.check_gradients(student, self.pullback(case))

    def test_without_bias(self, student):
        """`{forward}` without a bias adds nothing"""

        def body(case):
            bare = Case({**case.arguments, "bias": None})
            self.check_forward(student, bare)
            named = {name: value for name, value in bare.arguments.items() if name != "bias"}
            self._compare(student.call(self.forward, **named).value, bare, torch.float64)

        for_all(self.cases.cases(), body, examples=4)

    def test_groups(self, student):
        """`{forward}` and `{backward}` keep groups apart: blocks of channels, blocks of filters"""
        for_all(
            self.pullbacks(cases=convolutions(groups=(2, 3), depth=(1, 3), filters=(1, 3))),
            lambda call: self.check_call(student, call),
            examples=8,
        )

    def test_partial_windows(self, student):
        """Windows that would stick out are dropped; pixels that no window reaches get gradient 0"""
        for_all(
            self.pullbacks(cases=convolutions(stride=(2, 4), padding=(0, 0), left_over=True)),
            lambda call: self.check_call(student, call),
            examples=8,
        )

    def check_call(self, student, call):
        self.check_forward(student, call.case)
        self.check_gradients(student, call)
