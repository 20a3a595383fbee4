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


# BEGIN SOLUTION
# Everything in this assignment is one of two things, which are each other's adjoint: reading all
# windows out of an image, and adding all windows back into one. Both are written once, here.


def _output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many windows fit along one axis (Dumoulin & Visin 2016, arXiv:1603.07285, §2.4, §5.1)."""
    # k taps, d apart, span d·(k − 1) + 1 pixels. Windows start at 0, s, 2s, … and the last one has
    # to end inside the padded axis: start ≤ size + 2p − span. Counting those starts floors.
    span = dilation * (kernel - 1) + 1
    return (size + 2 * padding - span) // stride + 1


def _reach(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[slice]:
    """For each offset in the kernel, along one axis: the padded pixels it meets, one per window."""
    # Window p meets, with its offset i, pixel p·s + i·d. For a fixed i and p = 0, 1, … these are
    # equally spaced, so one slice with a step visits them for all windows at once.
    last = (_output_size(size, kernel, stride, padding, dilation) - 1) * stride
    return [slice(i * dilation, i * dilation + last + 1, stride) for i in range(kernel)]


def _windows(
    x: Float[Tensor, "n c h w"],
    kernel_size: IntOrPair,
    stride: IntOrPair,
    padding: IntOrPair,
    dilation: IntOrPair,
    fill: float = 0.0,
) -> Float[Tensor, "n c kh kw oh ow"]:
    """All windows of x: entry (n, c, i, j, p, q) is pixel (p·s + i·d, q·s + j·d) of padded x."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = map(pair, (kernel_size, stride, padding, dilation))
    n, c, h, w = x.shape
    padded = x.new_full((n, c, h + 2 * ph, w + 2 * pw), fill)
    padded[:, :, ph : ph + h, pw : pw + w] = x
    # The kernel has a handful of offsets, the image thousands of positions: loop over the former.
    oh, ow = _output_size(h, kh, sh, ph, dh), _output_size(w, kw, sw, pw, dw)
    windows = x.new_empty((n, c, kh, kw, oh, ow))
    for i, rows in enumerate(_reach(h, kh, sh, ph, dh)):
        for j, columns in enumerate(_reach(w, kw, sw, pw, dw)):
            windows[:, :, i, j] = padded[:, :, rows, columns]
    return windows


def _add_windows(
    windows: Float[Tensor, "n c kh kw oh ow"],
    image_size: tuple[int, int],
    stride: IntOrPair,
    padding: IntOrPair,
    dilation: IntOrPair,
) -> Float[Tensor, "n c h w"]:
    """The adjoint of `_windows`: each entry is added to the pixel that it would be read from."""
    (sh, sw), (ph, pw), (dh, dw) = map(pair, (stride, padding, dilation))
    n, c, kh, kw, _, _ = windows.shape
    h, w = image_size
    padded = windows.new_zeros((n, c, h + 2 * ph, w + 2 * pw))
    # The same two loops with reading turned into adding. Two *offsets* may meet at a pixel, which
    # is why this adds; two windows never do at one offset, which is why `+=` on a slice is right.
    for i, rows in enumerate(_reach(h, kh, sh, ph, dh)):
        for j, columns in enumerate(_reach(w, kw, sw, pw, dw)):
            padded[:, :, rows, columns] += windows[:, :, i, j]
    # Padding isn't part of the image: what fell on it goes nowhere.
    return padded[:, :, ph : ph + h, pw : pw + w]


# END SOLUTION


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
    # BEGIN SOLUTION
    # With x̂ the padded image, row r = (c·kh + i)·kw + j and column l = p·ow + q:
    #   cols[n, r, l] = x̂[n, c, p·s_h + i·d_h, q·s_w + j·d_w]
    # The windows come with their axes in exactly this order, (c, i, j) and then (p, q), so that
    # folding each triple and pair into one axis is all that's left, and copies nothing.
    windows = _windows(x, kernel_size, stride, padding, dilation)  # (n, c, kh, kw, oh, ow)
    return windows.flatten(4, 5).flatten(1, 3)
    # END SOLUTION


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
    # BEGIN SOLUTION
    # ⟨im2col(x), cols⟩ = Σ_{r,l} x̂[pixel(r, l)] · cols[r, l]: sorted by pixels, the factor of
    # x̂[pixel] is the sum of all entries that were read from it. So overlaps add up, a pixel that
    # no window reads gets the empty sum 0, and x̂'s border, which isn't part of x, is dropped.
    n, c, h, w = input_shape
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = map(pair, (kernel_size, stride, padding, dilation))
    oh, ow = _output_size(h, kh, sh, ph, dh), _output_size(w, kw, sw, pw, dw)
    windows = cols.reshape(n, c, kh, kw, oh, ow)
    return _add_windows(windows, (h, w), stride, padding, dilation)
    # END SOLUTION


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
    # BEGIN SOLUTION
    # Index form:  y[n, o, p, q] = b[o] + Σ_{c,i,j} w[o, c, i, j] · x̂[n, c, p·s + i·d, q·s + j·d]
    # Columns:     fold (c, i, j) into k and (p, q) into l; the pixel is cols[n, k, l].
    # Matmul:      y[n] = W @ cols[n] + b,  W (o, k), cols[n] (k, l)
    # Groups:      the same product for each block, so the block is one more batch dimension.
    # Source: Chellapilla, Puri & Simard 2006, "High Performance Convolutional Neural Networks for
    # Document Processing".
    n, c, _, _ = x.shape
    o, _, kh, kw = weight.shape
    windows = _windows(x, (kh, kw), stride, padding, dilation)
    oh, ow = windows.shape[-2:]
    cols = windows.reshape(n, groups, c // groups * kh * kw, oh * ow)  # (n, g, k, l)
    filters = weight.reshape(groups, o // groups, c // groups * kh * kw)  # (g, o/g, k)
    y = (filters @ cols).reshape(n, o, oh, ow)  # (n, g, o/g, l): blocks stay in order
    return y if bias is None else y + bias[:, None, None]
    # END SOLUTION


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
    # BEGIN SOLUTION
    # Of y[n] = W @ cols[n] + b, with G = grad_output as (n, o, l):
    #   grad_b    = Σ_n Σ_l G[n, :, l]      b is used once per image and window
    #   grad_W    = Σ_n G[n] @ cols[n]ᵀ     (o, l) × (l, k); W is shared by all images
    #   grad_cols = Wᵀ @ G[n]               (k, o) × (o, l), for each image
    # and im2col is linear, so its backward is its adjoint, col2im: grad_x = col2im(grad_cols).
    # Nothing of this needs a flipped kernel; "correlate with the flipped kernel" is what the last
    # two lines amount to when they are written out for stride 1.
    n, c, h, w = x.shape
    o, _, kh, kw = weight.shape
    windows = _windows(x, (kh, kw), stride, padding, dilation)
    oh, ow = windows.shape[-2:]
    cols = windows.reshape(n, groups, c // groups * kh * kw, oh * ow)  # (n, g, k, l)
    filters = weight.reshape(groups, o // groups, c // groups * kh * kw)  # (g, o/g, k)
    grads = grad_output.reshape(n, groups, o // groups, oh * ow)  # (n, g, o/g, l)

    grad_bias = grad_output.sum(dim=(0, 2, 3))
    grad_weight = (grads @ cols.mT).sum(dim=0).reshape(weight.shape)
    grad_windows = (filters.mT @ grads).reshape(n, c, kh, kw, oh, ow)
    return _add_windows(grad_windows, (h, w), stride, padding, dilation), grad_weight, grad_bias
    # END SOLUTION


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
    # BEGIN SOLUTION
    # y[n, c, p, q] = max_{i,j} x̂[n, c, p·s + i, q·s + j], with −∞ around the image: the neutral
    # element of max, as 0 is that of +. padding ≤ kernel/2 leaves each window a pixel of its own.
    stride = kernel_size if stride is None else stride
    return _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf).amax(dim=(2, 3))
    # END SOLUTION


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
    # BEGIN SOLUTION
    # Nudging a pixel moves y[n, c, p, q] only if that pixel is the window's winner, and then one to
    # one. So within its window the gradient goes to the winner alone, the others get 0; and then
    # the windows are added back into the image, because a pixel may win in several of them.
    stride = kernel_size if stride is None else stride
    windows = _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf)
    candidates = windows.flatten(2, 3)  # (n, c, kh·kw, oh, ow): row by row, and so is "first"
    winner = candidates.argmax(dim=2, keepdim=True)  # documented: the first of equal maxima
    spread = torch.zeros_like(candidates).scatter(2, winner, grad_output.unsqueeze(2))
    return _add_windows(spread.reshape(windows.shape), (x.shape[2], x.shape[3]), stride, padding, 1)
    # END SOLUTION


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
    # BEGIN SOLUTION
    # y[n, c, p, q] = 1/(kh·kw) · Σ_{i,j} x̂[n, c, p·s + i, q·s + j]: a convolution, one group per
    # channel, whose weights are all 1/(kh·kw). The zeros around x̂ are summed and counted alike.
    stride = kernel_size if stride is None else stride
    return _windows(x, kernel_size, stride, padding, 1).mean(dim=(2, 3))
    # END SOLUTION


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
    # BEGIN SOLUTION
    # ∂y[n, c, p, q]/∂x̂[pixel] = 1/(kh·kw) for each pixel of the window: every place in the window
    # gets the same share (an expanded view, no copy), then the windows are added into the image.
    stride = kernel_size if stride is None else stride
    kh, kw = pair(kernel_size)
    share = (grad_output / (kh * kw))[:, :, None, None].expand(-1, -1, kh, kw, -1, -1)
    return _add_windows(share, (x.shape[2], x.shape[3]), stride, padding, 1)
    # END SOLUTION
