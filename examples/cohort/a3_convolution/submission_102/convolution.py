"""Convolution and pooling by hand: every window becomes a column, the rest is a matrix product.

Assignment a3_convolution; README.md has the pictures, the rules and the hints. Fill in the eight
functions below. Their names, parameters and results are the contract, everything else is yours:
write helpers, and build later functions on your own earlier ones where you like.

Images are (n, c, h, w): n images of c channels, h pixels high, w wide; n may be 0. `kernel_size`,
`stride`, `padding` and `dilation` are each an int (both axes) or a tuple (height, width), on
their own. At least one window fits; windows that would stick out of the padded image are dropped.
Tensors are float32 or float64 and may be non-contiguous; leave them as they were.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

IntOrPair = int | tuple[int, int]


def pair(value: IntOrPair) -> tuple[int, int]:
    """`value` as (height, width): an int counts for both axes."""
    # GIVEN: every function here takes its sizes both ways, and unpacking them teaches nothing.
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def im2col(
    x: Float[Tensor, "n c h w"],
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Float[Tensor, "n ckk l"]:
    """Lay out every window of every image as one column.

    x (n, c, h, w) → (n, c·kh·kw, l), where l = oh·ow is the number of windows. The image is
    surrounded by zeros first: `padding` on each of its sides.

    Derive: how many windows fit (oh and ow); which pixel of the padded image belongs into row r
    and column l. Rows run over (channel, kernel row, kernel column), columns over (window row,
    window column); the last index of each runs fastest. `speed` also times this function.
    """
    raise NotImplementedError("im2col")


def col2im(
    cols: Float[Tensor, "n ckk l"],
    input_shape: tuple[int, int, int, int],
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Float[Tensor, "n c h w"]:
    """The adjoint of im2col: bring each entry of the columns back to its pixel, and add them up.

    cols (n, c·kh·kw, l) → an image of shape `input_shape`, the whole (n, c, h, w).

    Derive: im2col is linear in x, so it is a (huge) matrix; this is its transpose, the one
    function with ⟨im2col(x), cols⟩ = ⟨x, col2im(cols)⟩ for every x and cols. What does that say
    of a pixel that many windows see, of one that none sees, and of the padding?
    `speed` also times this function.
    """
    raise NotImplementedError("col2im")


def conv2d(
    x: Float[Tensor, "n c h w"],
    weight: Float[Tensor, "o c_per_group kh kw"],
    bias: Float[Tensor, " o"] | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Float[Tensor, "n o oh ow"]:
    """Convolution as deep learning means it (cross-correlation: the kernel isn't flipped).

    x (n, c, h, w), weight (o, c/groups, kh, kw), bias (o,) or None → (n, o, oh, ow).
    With `groups` > 1, channels and filters are cut into that many blocks of neighbours, and the
    g-th block of filters sees the g-th block of channels only.

    Derive: write one output number as a sum over (channel, kernel row, kernel column); read that
    sum as a matrix product of the weights with im2col's columns. `speed` also times this function.
    """
    raise NotImplementedError("conv2d")


def conv2d_backward(
    grad_output: Float[Tensor, "n o oh ow"],
    x: Float[Tensor, "n c h w"],
    weight: Float[Tensor, "o c_per_group kh kw"],
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "o c_per_group kh kw"], Float[Tensor, " o"]]:
    """Gradients of `conv2d`: always (grad_x, grad_weight, grad_bias).

    grad_output (n, o, oh, ow) is the gradient of a scalar loss with respect to conv2d's result;
    each returned gradient has its input's own shape, and grad_bias is (o,).

    Derive: the forward is im2col, a matrix product, and an addition. Go back through the three in
    reverse order. Over what is each gradient summed?
    """
    raise NotImplementedError("conv2d_backward")


def max_pool2d(
    x: Float[Tensor, "n c h w"],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
) -> Float[Tensor, "n c oh ow"]:
    """The largest pixel of every window, channel by channel.

    x (n, c, h, w) → (n, c, oh, ow). `stride` None means kernel_size; padding ≤ kernel/2, and
    padding never wins, whatever the sign of the pixels.

    Derive: which value must the padding have so that no pixel ever loses to it?
    """
    raise NotImplementedError("max_pool2d")


def max_pool2d_backward(
    grad_output: Float[Tensor, "n c oh ow"],
    x: Float[Tensor, "n c h w"],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
) -> Float[Tensor, "n c h w"]:
    """Gradient of `max_pool2d` with respect to x.

    grad_output (n, c, oh, ow) → (n, c, h, w). Where several pixels of a window share the maximum,
    the first of them wins, counting row by row (as torch does).

    Derive: which pixel does an output number depend on? Which outputs depend on a pixel?
    """
    raise NotImplementedError("max_pool2d_backward")


def avg_pool2d(
    x: Float[Tensor, "n c h w"],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
) -> Float[Tensor, "n c oh ow"]:
    """The mean of every window, channel by channel.

    x (n, c, h, w) → (n, c, oh, ow). `stride` None means kernel_size; padding ≤ kernel/2. Padding
    counts as zeros that are there: the divisor is always kh·kw.

    Derive: which convolution would compute the same?
    """
    raise NotImplementedError("avg_pool2d")


def avg_pool2d_backward(
    grad_output: Float[Tensor, "n c oh ow"],
    x: Float[Tensor, "n c h w"],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
) -> Float[Tensor, "n c h w"]:
    """Gradient of `avg_pool2d` with respect to x.

    grad_output (n, c, oh, ow) → (n, c, h, w). Of x only the shape matters.

    Derive: how much of an output's gradient does each pixel of its window get? And a pixel of
    several windows?
    """
    raise NotImplementedError("avg_pool2d_backward")
