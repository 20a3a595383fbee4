"""NumPy's sliding_window_view, and add.at for the way back."""

from __future__ import annotations

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view


def pair(value):
    return (value, value) if isinstance(value, int) else value


def view(image, kernel, stride, dilation):
    """(n, c, oh, ow, kh, kw)"""
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    span = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    windows = sliding_window_view(image, span, axis=(2, 3))
    return windows[:, :, ::sh, ::sw, ::dh, ::dw]


def with_border(x, padding, fill=0.0):
    (ph, pw) = pair(padding)
    border = ((0, 0), (0, 0), (ph, ph), (pw, pw))
    return np.pad(x.numpy(), border, constant_values=fill)


def into_image(windows, shape, kernel, stride, padding, dilation):
    (ph, pw), (n, c, h, w) = pair(padding), shape
    tall, wide = h + 2 * ph, w + 2 * pw
    places = view(np.arange(tall * wide).reshape(1, 1, tall, wide), kernel, stride, dilation)[0, 0]
    image = np.zeros((n, c, tall * wide), windows.dtype)
    np.add.at(image, (slice(None), slice(None), places), windows)
    return torch.from_numpy(image.reshape(n, c, tall, wide)[:, :, ph : ph + h, pw : pw + w])


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    windows = view(with_border(x, padding), kernel_size, stride, dilation)
    n, c, oh, ow, kh, kw = windows.shape
    cols = windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * kh * kw, oh * ow)
    return torch.tensor(cols)


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    n, c = input_shape[:2]
    image = with_border(torch.empty(1, 1, *input_shape[2:]), padding)
    oh, ow = view(image, kernel_size, stride, dilation).shape[2:4]
    windows = cols.numpy().reshape(n, c, *pair(kernel_size), oh, ow).transpose(0, 1, 4, 5, 2, 3)
    return into_image(windows, input_shape, kernel_size, stride, padding, dilation)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    windows = view(with_border(x, padding), weight.shape[2:], stride, dilation)
    n, c, oh, ow, kh, kw = windows.shape
    blocks = windows.reshape(n, groups, c // groups, oh, ow, kh, kw)
    filters = weight.numpy().reshape(groups, -1, c // groups, kh, kw)
    y = np.einsum("ngcpqij,gocij->ngopq", blocks, filters).reshape(n, weight.shape[0], oh, ow)
    return torch.from_numpy(y) if bias is None else torch.from_numpy(y) + bias[:, None, None]


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    windows = view(with_border(x, padding), weight.shape[2:], stride, dilation)
    n, c, oh, ow, kh, kw = windows.shape
    blocks = windows.reshape(n, groups, c // groups, oh, ow, kh, kw)
    filters = weight.numpy().reshape(groups, -1, c // groups, kh, kw)
    grads = grad_output.numpy().reshape(n, groups, filters.shape[1], oh, ow)
    grad_weight = np.einsum("ngopq,ngcpqij->gocij", grads, blocks).reshape(weight.shape)
    back = np.einsum("ngopq,gocij->ngcpqij", grads, filters).reshape(windows.shape)
    grad_x = into_image(back, x.shape, (kh, kw), stride, padding, dilation)
    return [grad_x, torch.from_numpy(grad_weight), grad_output.sum((0, 2, 3))]


def max_pool2d(x, kernel_size, stride=None, padding=0):
    windows = view(with_border(x, padding, -np.inf), kernel_size, stride or kernel_size, 1)
    return torch.from_numpy(windows.max((-2, -1)))


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = stride or kernel_size
    windows = view(with_border(x, padding, -np.inf), kernel_size, stride, 1)
    n, c, oh, ow, kh, kw = windows.shape
    winner = windows.reshape(n, c, oh, ow, kh * kw).argmax(-1)[..., None]
    spread = np.zeros((n, c, oh, ow, kh * kw), windows.dtype)
    np.put_along_axis(spread, winner, grad_output.numpy()[..., None], -1)
    return into_image(spread.reshape(windows.shape), x.shape, kernel_size, stride, padding, 1)


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    windows = view(with_border(x, padding), kernel_size, stride or kernel_size, 1)
    return torch.from_numpy(windows.mean((-2, -1)))


def avg_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    kh, kw = pair(kernel_size)
    share = grad_output.numpy()[..., None, None] / np.full(
        (kh, kw), kh * kw, grad_output.numpy().dtype
    )
    return into_image(share, x.shape, kernel_size, stride or kernel_size, padding, 1)
