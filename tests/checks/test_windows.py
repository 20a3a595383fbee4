"""Sliding windows: what is drawn fits, and is as torch counts it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from torch.nn.functional import max_pool2d, unfold

from autograder.checks.cases import TensorDrawer, Variation
from autograder.checks.windows import Axis, pair, sliding_windows

PLAIN, SMOOTH = Variation(), Variation(smooth=True)


def drawn(variation=PLAIN, **ranges):
    @st.composite
    def windows(draw):
        return sliding_windows(TensorDrawer(draw, variation), **ranges)

    return windows()


def exists(strategy, condition):
    try:
        find(strategy, condition, settings=settings(max_examples=2000, phases=[Phase.generate]))
    except NoSuchExample:
        return False
    return True


@given(drawn())
def test_as_many_windows_fit_as_torch_finds(windows):
    image = torch.zeros(1, 1, *windows.image)
    assert unfold(image, **windows.settings).shape[2] == windows.count[0] * windows.count[1]
    assert min(windows.count) >= 1


@given(drawn(pool=True, kernel=(1, 4)))
def test_torch_accepts_every_pool(windows):
    pooled = max_pool2d(torch.zeros(1, 1, *windows.image), **windows.settings)
    assert tuple(pooled.shape[2:]) == windows.count


@given(drawn(left_over=True, stride=(1, 3)))
def test_a_left_over_is_there_when_asked_for(windows):
    axes = (windows.vertical, windows.horizontal)
    assert any((axis.size + 2 * axis.padding - axis.span) % axis.stride for axis in axes)


@given(drawn(stride=(2, 4), padding=(0, 0), left_over=True))
def test_without_padding_a_left_over_is_a_pixel_that_no_window_reaches(windows):
    columns = unfold(torch.zeros(1, 1, *windows.image), **windows.settings)
    seen = torch.nn.functional.fold(torch.ones_like(columns), windows.image, **windows.settings)
    assert (seen == 0).any()


@given(drawn(SMOOTH))
def test_images_for_numerical_derivatives_are_small(windows):
    assert max(windows.image) <= 5


@given(drawn(pool=True, stride=None))
def test_the_stride_of_a_pool_can_be_left_to_it(windows):
    assert windows.settings["stride"] is None
    assert windows.vertical.stride == windows.vertical.kernel


@pytest.mark.parametrize("name", ["kernel_size", "stride", "padding", "dilation"])
def test_every_setting_comes_as_an_int_and_as_a_tuple(name):
    assert exists(drawn(), lambda windows: isinstance(windows.settings[name], int))
    assert exists(drawn(), lambda windows: isinstance(windows.settings[name], tuple))


def test_axes_differ_in_everything():
    assert exists(
        drawn(),
        lambda windows: all(
            getattr(windows.vertical, name) != getattr(windows.horizontal, name)
            for name in ("size", "kernel", "stride", "padding", "dilation")
        ),
    )


def test_an_axis_counts_its_windows_rounding_down():
    assert Axis(6, 3, stride=2).count == 2
    assert Axis(7, 3, stride=2, padding=1, dilation=2).count == 3


def test_a_setting_as_height_and_width():
    assert pair(2) == (2, 2)
    assert pair((1, 3)) == (1, 3)
    with pytest.raises(TypeError, match="left to the function"):
        pair(None)
