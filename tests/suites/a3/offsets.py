"""Loops over kernel offsets and groups; every step is one slice of the whole image."""

from __future__ import annotations

import torch


def two(value):
    return [value, value] if isinstance(value, int) else list(value)


def border(x, padding, fill=0.0):
    ph, pw = two(padding)
    n, c, h, w = x.shape
    out = torch.empty((n, c, h + 2 * ph, w + 2 * pw), dtype=x.dtype).fill_(fill)
    out[:, :, ph : ph + h, pw : pw + w].copy_(x)
    return out


def shifted(padded, kernel, stride, dilation):
    """(i, j, slice of the padded image that offset (i, j) meets), for every offset."""
    (kh, kw), (sh, sw), (dh, dw) = two(kernel), two(stride), two(dilation)
    oh = (padded.shape[2] - dh * (kh - 1) - 1) // sh + 1
    ow = (padded.shape[3] - dw * (kw - 1) - 1) // sw + 1
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + sh * (oh - 1) + 1, sh)
            columns = slice(j * dw, j * dw + sw * (ow - 1) + 1, sw)
            yield i, j, padded[:, :, rows, columns]


def inner(padded, shape, padding):
    ph, pw = two(padding)
    return padded[:, :, ph : ph + shape[2], pw : pw + shape[3]]


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    pixels = [seen for _, _, seen in shifted(border(x, padding), kernel_size, stride, dilation)]
    stacked = torch.stack(pixels, dim=2)
    n, c, k, oh, ow = stacked.shape
    return stacked.reshape(n, c * k, oh * ow)


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    (kh, kw), (n, c) = two(kernel_size), input_shape[:2]
    image = border(torch.zeros(input_shape, dtype=cols.dtype), padding)
    rows = cols.reshape(n, c, kh, kw, cols.shape[2])
    for i, j, seen in shifted(image, kernel_size, stride, dilation):
        seen.add_(rows[:, :, i, j].reshape(seen.shape))
    return inner(image, input_shape, padding)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    image, results = border(x, padding), []
    for block, filters in zip(image.chunk(groups, 1), weight.chunk(groups, 0), strict=True):
        total = 0
        for i, j, seen in shifted(block, weight.shape[2:], stride, dilation):
            total = total + torch.einsum("nchw,oc->nohw", seen, filters[:, :, i, j])
        results.append(total)
    y = torch.cat(results, 1)
    return y if bias is None else y + bias.view(-1, 1, 1)


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    image, grad_weight = border(x, padding), torch.zeros(weight.shape, dtype=x.dtype)
    grad_image = torch.zeros_like(image)
    per_group = zip(
        image.chunk(groups, 1), grad_image.chunk(groups, 1), grad_output.chunk(groups, 1),
        weight.chunk(groups), grad_weight.chunk(groups), strict=True,
    )  # fmt: skip
    for block, grad_block, grad, filters, grad_filters in per_group:
        pairs = zip(
            shifted(block, weight.shape[2:], stride, dilation),
            shifted(grad_block, weight.shape[2:], stride, dilation),
            strict=True,
        )
        for (i, j, seen), (_, _, grad_seen) in pairs:
            grad_filters[:, :, i, j] = torch.tensordot(grad, seen, ([0, 2, 3], [0, 2, 3]))
            grad_seen += torch.einsum("nohw,oc->nchw", grad, filters[:, :, i, j])
    return inner(grad_image, x.shape, padding), grad_weight, grad_output.sum(3).sum(2).sum(0)


def max_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    best = None
    for _, _, seen in shifted(border(x, padding, -torch.inf), kernel_size, stride, 1):
        best = seen if best is None else torch.maximum(best, seen)
    return best.clone()


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    image = border(x, padding, -torch.inf)
    grad_image = torch.zeros_like(image)
    left = torch.ones(grad_output.shape, dtype=torch.bool)
    top = max_pool2d(x, kernel_size, stride, padding)
    for (_, _, seen), (_, _, grad) in zip(
        shifted(image, kernel_size, stride, 1), shifted(grad_image, kernel_size, stride, 1),
        strict=True,
    ):  # fmt: skip
        wins = left & (seen == top)
        grad += torch.where(wins, grad_output, 0.0)
        left &= ~wins
    return inner(grad_image, x.shape, padding)


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    kh, kw = two(kernel_size)
    return sum(s for _, _, s in shifted(border(x, padding), kernel_size, stride, 1)) / (kh * kw)


def avg_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    kh, kw = two(kernel_size)
    grad_image = torch.zeros_like(border(x, padding))
    for _, _, grad in shifted(grad_image, kernel_size, stride, 1):
        grad += grad_output / (kh * kw)
    return inner(grad_image, x.shape, padding)
