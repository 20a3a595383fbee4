"""No loop over positions: im2col, col2im and conv2d against such a loop, timed in the same run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from gradescope_utils.autograder_utils.decorators import leaderboard
from torch.nn.functional import conv2d, fold, unfold

from autograder.checks import CheckFailed, Failure, assert_results, exercise, race
from autograder.checks.forall import current_run
from autograder.checks.windows import Axis

FULL_POINTS_AT = 1 / 3
# The leanest loops over positions come out at 0.5, an ordinary one with NumPy near 1, and one with
# torch far above.
SURELY_A_LOOP = 0.4
# A process that has just worked hard waits longer for its turn: the first call may well be slow.
CALLS_IN_A_ROW = 3
FILTERS = 2


@dataclass(frozen=True)
class Scene:
    """What is timed: one image of one channel, and window settings as (height, width)."""

    words: str
    image: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)

    @property
    def settings(self) -> Mapping[str, tuple[int, int]]:
        return {"stride": self.stride, "padding": self.padding, "dilation": self.dilation}

    @property
    def axes(self) -> tuple[Axis, Axis]:
        each = (self.image, self.kernel, self.stride, self.padding, self.dilation)
        vertical, horizontal = (Axis(*axis) for axis in zip(*each, strict=True))
        return vertical, horizontal


# Some 16,000 windows each. One image of one channel, so that all the time of a loop over positions
# is the loop's, and loops over images, channels or groups cost nobody anything.
SCENES = (
    Scene("a 3 × 3 kernel", (128, 128), (3, 3)),
    Scene(
        "a 3 × 2 kernel with stride, padding and dilation",
        (128, 256), (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1),
    ),
)  # fmt: skip
WARM_UP = Scene("warm-up", (8, 8), (3, 3))


def places(scene):
    """The number, rows and columns (of the padded image) of one window after the other."""
    down, across = scene.axes
    for p in range(down.count):
        top = p * down.stride
        rows = slice(top, top + down.span, down.dilation)
        for q in range(across.count):
            left = q * across.stride
            yield p * across.count + q, rows, slice(left, left + across.span, across.dilation)


def loop_of_windows(scene, x):
    """im2col, one position at a time."""
    (ph, pw), (kh, kw) = scene.padding, scene.kernel
    padded = np.pad(x.numpy(), ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    windows = np.empty((1, 1, kh, kw, scene.axes[0].count * scene.axes[1].count), np.float32)
    for position, rows, columns in places(scene):
        windows[..., position] = padded[:, :, rows, columns]
    return torch.from_numpy(windows.reshape(1, kh * kw, -1))


def loop_of_sums(scene, cols):
    """col2im, one position at a time."""
    (h, w), (ph, pw) = scene.image, scene.padding
    windows = cols.numpy().reshape(1, 1, *scene.kernel, -1)
    padded = np.zeros((1, 1, h + 2 * ph, w + 2 * pw), np.float32)
    for position, rows, columns in places(scene):
        padded[:, :, rows, columns] += windows[..., position]
    return torch.from_numpy(padded[:, :, ph : ph + h, pw : pw + w])


def loop_and_product(scene, x, weight):
    """conv2d of windows that were collected one position at a time."""
    counts = (axis.count for axis in scene.axes)
    return (weight.reshape(FILTERS, -1) @ loop_of_windows(scene, x)).reshape(1, FILTERS, *counts)


class SpeedChecks:
    """The right answer, in at most a third of the time of a loop over positions."""

    def inputs(self, scene, generator):
        """Random tensors that the function works on."""
        raise NotImplementedError

    def call(self, student, scene, *tensors):
        """The student's reply for these tensors."""
        raise NotImplementedError

    def loop(self, scene, *tensors):
        """The same by a loop over positions."""
        raise NotImplementedError

    def truth(self, scene, *tensors):
        """The same by torch."""
        raise NotImplementedError

    def check_speed(self, student):
        """The student's and torch's time for the first scene, in seconds."""
        generator = torch.Generator().manual_seed(current_run().seed % 2**63)
        # The first calls of a function may be watched, and are slower then.
        self.timed_calls(student, WARM_UP, generator)
        times = [self.check_scene(student, scene, generator) for scene in SCENES]
        tensors = self.inputs(SCENES[0], generator)
        return times[0], min(seconds(lambda: self.truth(SCENES[0], *tensors)) for _ in range(5))

    def check_scene(self, student, scene, generator):
        tensors = self.inputs(scene, generator)
        end = race(
            lambda: self.timed_calls(student, scene, generator),
            lambda: self.loop(scene, *tensors),
            goal=FULL_POINTS_AT,
        )
        if end.ratio > FULL_POINTS_AT:
            raise CheckFailed(self.too_slow(scene, end))
        return end.seconds

    def timed_calls(self, student, scene, generator):
        """The durations of some calls in a row, each with inputs of its own and a right answer."""
        inputs = [self.inputs(scene, generator) for _ in range(CALLS_IN_A_ROW)]
        with student.timed():
            replies = [self.call(student, scene, *tensors) for tensors in inputs]
        for tensors, reply in zip(inputs, replies, strict=True):
            assert_results(
                reply.value,
                self.truth(scene, *(tensor.double() for tensor in tensors)),
                function=self.function,
                names=("the result",),
                scale=self.truth(scene, *(tensor.double().abs() for tensor in tensors)),
                dtype=torch.float32,
            )
        return [reply.seconds for reply in replies]

    def too_slow(self, scene, end):
        loops = end.ratio > SURELY_A_LOOP
        return Failure(
            f"`{self.function}` is right but slow: {end.ratio:.2f} × the time of a loop over "
            f"output positions, for {scene.words}; full points at a third of it",
            expected=f"at most {1000 * end.rival_seconds * FULL_POINTS_AT:.1f} ms",
            actual=f"{1000 * end.seconds:.1f} ms",
            help=None
            if loops
            else "Something in it is done many times in Python: look for a loop over rows or "
            "positions, or for work on many small tensors that could be done on one.",
            misconception=f"{self.function}_window_by_window" if loops else None,
        )


def seconds(function):
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


@exercise("speed")
class TestIm2colSpeed(SpeedChecks):
    function = "im2col"

    def inputs(self, scene, generator):
        return (torch.randn((1, 1, *scene.image), generator=generator),)

    def call(self, student, scene, x):
        return student.call("im2col", x, scene.kernel, **scene.settings)

    def loop(self, scene, x):
        return loop_of_windows(scene, x)

    def truth(self, scene, x):
        return unfold(x, scene.kernel, **scene.settings)

    @leaderboard("im2col: time ÷ torch's unfold", "asc")
    def test_time(self, student, set_leaderboard_value=None):  # noqa: PT028 (or it is a fixture)
        """`{function}` has no Python loop over positions: a third of such a loop's time, at most"""
        own, of_torch = self.check_speed(student)
        set_leaderboard_value(round(own / of_torch, 1))


@exercise("speed")
class TestCol2imSpeed(SpeedChecks):
    function = "col2im"

    def inputs(self, scene, generator):
        (kh, kw), (down, across) = scene.kernel, scene.axes
        return (torch.randn((1, kh * kw, down.count * across.count), generator=generator),)

    def call(self, student, scene, cols):
        shape = (1, 1, *scene.image)
        return student.call("col2im", cols, shape, scene.kernel, **scene.settings)

    def loop(self, scene, cols):
        return loop_of_sums(scene, cols)

    def truth(self, scene, cols):
        return fold(cols, scene.image, scene.kernel, **scene.settings)

    @leaderboard("col2im: time ÷ torch's fold", "asc")
    def test_time(self, student, set_leaderboard_value=None):  # noqa: PT028 (or it is a fixture)
        """`{function}` has no Python loop over positions: a third of such a loop's time, at most"""
        own, of_torch = self.check_speed(student)
        set_leaderboard_value(round(own / of_torch, 1))


@exercise("speed")
class TestConv2dSpeed(SpeedChecks):
    function = "conv2d"

    def inputs(self, scene, generator):
        x = torch.randn((1, 1, *scene.image), generator=generator)
        return x, torch.randn((FILTERS, 1, *scene.kernel), generator=generator)

    def call(self, student, scene, x, weight):
        return student.call("conv2d", x, weight, **scene.settings)

    def loop(self, scene, x, weight):
        return loop_and_product(scene, x, weight)

    def truth(self, scene, x, weight):
        return conv2d(x, weight, **scene.settings)

    @leaderboard("conv2d: time ÷ torch's conv2d", "asc")
    def test_time(self, student, set_leaderboard_value=None):  # noqa: PT028 (or it is a fixture)
        """`{function}` has no Python loop over positions: a third of such a loop's time, at most"""
        own, of_torch = self.check_speed(student)
        set_leaderboard_value(round(own / of_torch, 1))
