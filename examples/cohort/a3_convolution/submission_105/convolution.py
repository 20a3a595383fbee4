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
    return (value, value) if isinstance(value, int) else (value[0], value[1])

def _output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """How many windows fit along one axis (Dumoulin & Visin 2016, arXiv:1603.07285, §2.4, §5.1)."""
    span = dilation * (kernel - 1) + 1
    return (size + 2 * padding - span) // stride + 1

def _reach(size: int, kernel: int, stride: int, padding: int, dilation: int) -> list[slice]:
    """For each offset in the kernel, along one axis: the padded pixels it meets, one per window."""
    last = (_output_size(size, kernel, stride, padding, dilation) - 1) * stride
    return [slice(i * dilation, i * dilation + last + 1, stride) for i in range(kernel)]

def _windows(x: Float[Tensor, 'n c h w'], kernel_size: IntOrPair, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair, fill: float=0.0) -> Float[Tensor, 'n c kh kw oh ow']:
    """All windows of x: entry (n, c, i, j, p, q) is pixel (p·s + i·d, q·s + j·d) of padded x."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = map(pair, (kernel_size, stride, padding, dilation))
    n, c, h, w = x.shape
    padded = x.new_full((n, c, h + 2 * ph, w + 2 * pw), fill)
    padded[:, :, ph:ph + h, pw:pw + w] = x
    oh, ow = (_output_size(h, kh, sh, ph, dh), _output_size(w, kw, sw, pw, dw))
    windows = x.new_empty((n, c, kh, kw, oh, ow))
    for i, rows in enumerate(_reach(h, kh, sh, ph, dh)):
        for j, columns in enumerate(_reach(w, kw, sw, pw, dw)):
            windows[:, :, i, j] = padded[:, :, rows, columns]
    return windows

def _add_windows(windows: Float[Tensor, 'n c kh kw oh ow'], image_size: tuple[int, int], stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair) -> Float[Tensor, 'n c h w']:
    """The adjoint of `_windows`: each entry is added to the pixel that it would be read from."""
    (sh, sw), (ph, pw), (dh, dw) = map(pair, (stride, padding, dilation))
    n, c, kh, kw, _, _ = windows.shape
    h, w = image_size
    padded = windows.new_zeros((n, c, h + 2 * ph, w + 2 * pw))
    for i, rows in enumerate(_reach(h, kh, sh, ph, dh)):
        for j, columns in enumerate(_reach(w, kw, sw, pw, dw)):
            padded[:, :, rows, columns] += windows[:, :, i, j]
    return padded[:, :, ph:ph + h, pw:pw + w]

def im2col(x: Float[Tensor, 'n c h w'], kernel_size: IntOrPair, stride: IntOrPair=1, padding: IntOrPair=0, dilation: IntOrPair=1) -> Float[Tensor, 'n ckk l']:
    """Lay out every window of every image as one column.

    x (n, c, h, w) → (n, c·kh·kw, l), where l = oh·ow is the number of windows. The image is
    surrounded by zeros first: `padding` on each of its sides.

    Derive: how many windows fit (oh and ow); which pixel of the padded image belongs into row r
    and column l. Rows run over (channel, kernel row, kernel column), columns over (window row,
    window column); the last index of each runs fastest. `speed` also times this function.
    """
    windows = _windows(x, kernel_size, stride, padding, dilation)
    return windows.flatten(4, 5).flatten(1, 3)

def col2im(cols: Float[Tensor, 'n ckk l'], input_shape: tuple[int, int, int, int], kernel_size: IntOrPair, stride: IntOrPair=1, padding: IntOrPair=0, dilation: IntOrPair=1) -> Float[Tensor, 'n c h w']:
    """The adjoint of im2col: bring each entry of the columns back to its pixel, and add them up.

    cols (n, c·kh·kw, l) → an image of shape `input_shape`, the whole (n, c, h, w).

    Derive: im2col is linear in x, so it is a (huge) matrix; this is its transpose, the one
    function with ⟨im2col(x), cols⟩ = ⟨x, col2im(cols)⟩ for every x and cols. What does that say
    of a pixel that many windows see, of one that none sees, and of the padding?
    `speed` also times this function.
    """
    n, c, h, w = input_shape
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = map(pair, (kernel_size, stride, padding, dilation))
    oh, ow = (_output_size(h, kh, sh, ph, dh), _output_size(w, kw, sw, pw, dw))
    windows = cols.reshape(n, c, kh, kw, oh, ow)
    return _add_windows(windows, (h, w), stride, padding, dilation)

def conv2d(x: Float[Tensor, 'n c h w'], weight: Float[Tensor, 'o c_per_group kh kw'], bias: Float[Tensor, ' o'] | None=None, stride: IntOrPair=1, padding: IntOrPair=0, dilation: IntOrPair=1, groups: int=1) -> Float[Tensor, 'n o oh ow']:
    """Convolution as deep learning means it (cross-correlation: the kernel isn't flipped).

    x (n, c, h, w), weight (o, c/groups, kh, kw), bias (o,) or None → (n, o, oh, ow).
    With `groups` > 1, channels and filters are cut into that many blocks of neighbours, and the
    g-th block of filters sees the g-th block of channels only.

    Derive: write one output number as a sum over (channel, kernel row, kernel column); read that
    sum as a matrix product of the weights with im2col's columns. `speed` also times this function.
    """
    n, c, _, _ = x.shape
    o, _, kh, kw = weight.shape
    windows = _windows(x, (kh, kw), stride, padding, dilation)
    oh, ow = windows.shape[-2:]
    cols = windows.reshape(n, groups, c // groups * kh * kw, oh * ow)
    filters = weight.reshape(groups, o // groups, c // groups * kh * kw)
    y = (filters @ cols).reshape(n, o, oh, ow)
    return y if bias is None else y + bias[:, None, None]

def conv2d_backward(grad_output: Float[Tensor, 'n o oh ow'], x: Float[Tensor, 'n c h w'], weight: Float[Tensor, 'o c_per_group kh kw'], stride: IntOrPair=1, padding: IntOrPair=0, dilation: IntOrPair=1, groups: int=1) -> tuple[Float[Tensor, 'n c h w'], Float[Tensor, 'o c_per_group kh kw'], Float[Tensor, ' o']]:
    raise NotImplementedError('conv2d_backward')

def max_pool2d(x: Float[Tensor, 'n c h w'], kernel_size: IntOrPair, stride: IntOrPair | None=None, padding: IntOrPair=0) -> Float[Tensor, 'n c oh ow']:
    """The largest pixel of every window, channel by channel.

    x (n, c, h, w) → (n, c, oh, ow). `stride` None means kernel_size; padding ≤ kernel/2, and
    padding never wins, whatever the sign of the pixels.

    Derive: which value must the padding have so that no pixel ever loses to it?
    """
    stride = kernel_size if stride is None else stride
    return _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf).amax(dim=(2, 3))

def max_pool2d_backward(grad_output: Float[Tensor, 'n c oh ow'], x: Float[Tensor, 'n c h w'], kernel_size: IntOrPair, stride: IntOrPair | None=None, padding: IntOrPair=0) -> Float[Tensor, 'n c h w']:
    """Gradient of `max_pool2d` with respect to x.

    grad_output (n, c, oh, ow) → (n, c, h, w). Where several pixels of a window share the maximum,
    the first of them wins, counting row by row (as torch does).

    Derive: which pixel does an output number depend on? Which outputs depend on a pixel?
    """
    stride = kernel_size if stride is None else stride
    windows = _windows(x, kernel_size, stride, padding, 1, fill=-torch.inf)
    candidates = windows.flatten(2, 3)
    winner = candidates.argmax(dim=2, keepdim=True)
    spread = torch.zeros_like(candidates).scatter(2, winner, grad_output.unsqueeze(2))
    return _add_windows(spread.reshape(windows.shape), (x.shape[2], x.shape[3]), stride, padding, 1)

def avg_pool2d(x: Float[Tensor, 'n c h w'], kernel_size: IntOrPair, stride: IntOrPair | None=None, padding: IntOrPair=0) -> Float[Tensor, 'n c oh ow']:
    """The mean of every window, channel by channel.

    x (n, c, h, w) → (n, c, oh, ow). `stride` None means kernel_size; padding ≤ kernel/2. Padding
    counts as zeros that are there: the divisor is always kh·kw.

    Derive: which convolution would compute the same?
    """
    stride = kernel_size if stride is None else stride
    return _windows(x, kernel_size, stride, padding, 1).mean(dim=(2, 3))

def avg_pool2d_backward(grad_output: Float[Tensor, 'n c oh ow'], x: Float[Tensor, 'n c h w'], kernel_size: IntOrPair, stride: IntOrPair | None=None, padding: IntOrPair=0) -> Float[Tensor, 'n c h w']:
    """Gradient of `avg_pool2d` with respect to x.

    grad_output (n, c, oh, ow) → (n, c, h, w). Of x only the shape matters.

    Derive: how much of an output's gradient does each pixel of its window get? And a pixel of
    several windows?
    """
    stride = kernel_size if stride is None else stride
    kh, kw = pair(kernel_size)
    share = (grad_output / (kh * kw))[:, :, None, None].expand(-1, -1, kh, kw, -1, -1)
    return _add_windows(share, (x.shape[2], x.shape[3]), stride, padding, 1)
