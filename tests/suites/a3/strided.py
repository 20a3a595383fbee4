"""as_strided views of the padded image; adjoints add through the view of the pixels' numbers."""

from __future__ import annotations

import torch


def both(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def padded_copy(x, padding, fill=0.0):
    (ph, pw), (n, c, h, w) = both(padding), x.shape
    room = torch.full((n, c, h + 2 * ph, w + 2 * pw), fill, dtype=x.dtype)
    room[..., ph : ph + h, pw : pw + w] = x
    return room


def view(padded, kernel, stride, dilation):
    """(n, c, oh, ow, kh, kw) without a copy."""
    (kh, kw), (sh, sw), (dh, dw) = both(kernel), both(stride), both(dilation)
    n, c, h, w = padded.shape
    oh, ow = (h - dh * (kh - 1) - 1) // sh + 1, (w - dw * (kw - 1) - 1) // sw + 1
    a, b, row, column = padded.stride()
    return padded.as_strided(
        (n, c, oh, ow, kh, kw), (a, b, sh * row, sw * column, dh * row, dw * column)
    )


def put_back(windows, shape, kernel, stride, padding, dilation):
    (ph, pw), (n, c, h, w) = both(padding), shape
    room = torch.zeros((n, c, h + 2 * ph, w + 2 * pw), dtype=windows.dtype)
    numbers = torch.arange(room.numel()).reshape(room.shape)
    places = view(numbers, kernel, stride, dilation).reshape(-1)
    added = room.reshape(-1).index_add(0, places, windows.reshape(-1))
    return added.reshape(room.shape)[..., ph : ph + h, pw : pw + w]


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    windows = view(padded_copy(x, padding), kernel_size, stride, dilation)
    n, c, oh, ow, kh, kw = windows.shape
    return windows.permute(0, 1, 4, 5, 2, 3).reshape(n, c * kh * kw, oh * ow)


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    n, c, h, w = input_shape
    empty = torch.empty((n, c, h + 2 * both(padding)[0], w + 2 * both(padding)[1]))
    oh, ow = view(empty, kernel_size, stride, dilation).shape[2:4]
    windows = cols.reshape(n, c, *both(kernel_size), oh, ow).permute(0, 1, 4, 5, 2, 3)
    return put_back(windows, input_shape, kernel_size, stride, padding, dilation)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    windows = view(padded_copy(x, padding), weight.shape[2:], stride, dilation)
    parts = [
        torch.einsum("ncpqij,ocij->nopq", block, filters)
        for block, filters in zip(windows.chunk(groups, 1), weight.chunk(groups), strict=True)
    ]
    y = torch.cat(parts, dim=1)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    kernel = weight.shape[2:]
    windows = view(padded_copy(x, padding), kernel, stride, dilation)
    grad_weight, grad_windows = [], []
    for block, filters, grad in zip(
        windows.chunk(groups, 1), weight.chunk(groups), grad_output.chunk(groups, 1), strict=True
    ):
        grad_weight.append(torch.einsum("nopq,ncpqij->ocij", grad, block))
        grad_windows.append(torch.einsum("nopq,ocij->ncpqij", grad, filters))
    whole = torch.cat(grad_windows, dim=1)
    grad_x = put_back(whole, x.shape, tuple(kernel), stride, padding, dilation)
    return grad_x, torch.cat(grad_weight), torch.einsum("nopq->o", grad_output)


def max_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return view(padded_copy(x, padding, float("-inf")), kernel_size, stride, 1).amax((-2, -1))


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    windows = view(padded_copy(x, padding, float("-inf")), kernel_size, stride, 1)
    flat = windows.flatten(4)
    top = flat == flat.amax(-1, keepdim=True)
    first = top & (top.cumsum(-1) == 1)
    spread = (first * grad_output[..., None]).reshape(windows.shape)
    return put_back(spread, x.shape, kernel_size, stride, padding, 1)


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    return view(padded_copy(x, padding), kernel_size, stride, 1).mean((-2, -1))


def avg_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    kh, kw = both(kernel_size)
    share = (grad_output / (kh * kw))[..., None, None]
    spread = share.expand(*grad_output.shape, kh, kw)
    return put_back(spread, x.shape, kernel_size, stride, padding, 1)
