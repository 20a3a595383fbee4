"""Sliding windows over images: how kernel, stride, padding, dilation and image sizes are drawn.

Along one axis, a window of k pixels that are d apart spans d·(k − 1) + 1 pixels. Windows begin at
0, s, 2s, … and end inside the padded axis, so that (size + 2p − span) // s + 1 of them fit
(Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", §2.4 and §5.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from autograder.checks.cases import TensorDrawer

__all__ = ["Axis", "Setting", "Windows", "pair", "sliding_windows"]

Setting = int | tuple[int, int] | None
"""As a call has it: for both axes, for each (height, width), or left to the function."""
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Axis:
    """The windows along one axis of an image; all in pixels."""

    size: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def span(self) -> int:
        """From the first to the last pixel of a window, both counted."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def count(self) -> int:
        """How many windows fit."""
        return (self.size + 2 * self.padding - self.span) // self.stride + 1


@dataclass(frozen=True, slots=True)
class Windows:
    """Sliding windows over an image, and the settings that a call says it with."""

    vertical: Axis
    horizontal: Axis
    settings: Mapping[str, Setting]

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the image."""
        return (self.vertical.size, self.horizontal.size)

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of the kernel."""
        return (self.vertical.kernel, self.horizontal.kernel)

    @property
    def count(self) -> tuple[int, int]:
        """How many windows fit, vertically and horizontally."""
        return (self.vertical.count, self.horizontal.count)


def sliding_windows(
    drawer: TensorDrawer,
    *,
    kernel: Range = (1, 3),
    stride: Range | None = (1, 3),
    padding: Range = (0, 3),
    dilation: Range = (1, 3),
    room: Range = (0, 4),
    pool: bool = False,
    left_over: bool = False,
) -> Windows:
    """Windows whose settings lie in the given ranges, with an image that has room for one.

    Each setting is an int or a tuple, independently of the others. `room` is how many pixels larger
    than a window the padded image is, on each axis. A `pool` has no dilation, its
    padding is at most half the kernel, and its stride may be None (the kernel size), or is None
    always, if that is its range. With `left_over`, the last window doesn't end with the padded
    image, on at least one axis. Where numerical derivatives are taken, everything is kept small.
    """
    small = drawer.variation.smooth
    if small:
        kernel, padding, dilation, room = map(_lowest, (kernel, padding, dilation, room))
        stride = None if stride is None else _lowest(stride)
    draw = drawer.draw
    settings: dict[str, Setting] = {"kernel_size": draw(_settings(kernel))}
    kernels = pair(settings["kernel_size"])
    settings["stride"] = draw(_strides(stride, pool, left_over))
    most = [min(padding[1], k // 2) if pool else padding[1] for k in kernels]
    settings["padding"] = draw(_settings(*((padding[0], high) for high in most)))
    settings["dilation"] = 1 if pool else draw(_settings(dilation))
    per_axis = zip(
        kernels,
        kernels if settings["stride"] is None else pair(settings["stride"]),
        pair(settings["padding"]),
        pair(settings["dilation"]),
        strict=True,
    )
    if pool:
        del settings["dilation"]
    axes = []
    for k, s, p, d in per_axis:
        span = Axis(1, k, s, p, d).span
        slack = draw(st.integers(*room))
        if left_over and s > 1:
            # So many pixels behind the last window are too few for another one.
            rest = draw(st.integers(1, s - 1))
            slack = slack // 2 * s + rest
            while span - 2 * p + slack < 1:
                slack += s
        axes.append(Axis(max(1, span - 2 * p + slack), k, s, p, d))
    return Windows(axes[0], axes[1], settings)


def _lowest(numbers: Range) -> Range:
    """The two lowest numbers of a range."""
    return (numbers[0], min(numbers[1], numbers[0] + 1))


def _strides(stride: Range | None, pool: bool, left_over: bool) -> st.SearchStrategy[Setting]:
    if stride is None:
        return st.none()
    if left_over:
        return _settings(stride).filter(lambda drawn: max(pair(drawn)) > 1)
    return st.none() | _settings(stride) if pool else _settings(stride)


def _settings(
    vertical: Range, horizontal: Range | None = None
) -> st.SearchStrategy[int | tuple[int, int]]:
    """An int that lies in both ranges, or a tuple with a number from each."""
    ranges = (vertical, vertical if horizontal is None else horizontal)
    both = (max(low for low, _ in ranges), min(high for _, high in ranges))
    if both[0] == max(high for _, high in ranges):
        # Nothing to choose: the plain form, which is a default's.
        return st.just(both[0])
    return st.one_of(st.integers(*both), st.tuples(*(st.integers(*each) for each in ranges)))


def pair(setting: Setting) -> tuple[int, int]:
    """A setting as (height, width). Raises TypeError for None, whose meaning only a call knows."""
    if setting is None:
        raise TypeError("a setting that is left to the function has no value of its own")
    return (setting, setting) if isinstance(setting, int) else setting
