"""One window after the other: right, and too slow for `speed`."""

from __future__ import annotations

import itertools

import torch


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def windows(shape, kernel, stride, padding, dilation):
    """(p, q, rows, columns) of every window of the padded image, and how many there are."""
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = map(pair, (kernel, stride, padding, dilation))
    tall, wide = dh * (kh - 1) + 1, dw * (kw - 1) + 1
    oh, ow = (shape[2] + 2 * ph - tall) // sh + 1, (shape[3] + 2 * pw - wide) // sw + 1
    each = [
        (p, q, slice(p * sh, p * sh + tall, dh), slice(q * sw, q * sw + wide, dw))
        for p, q in itertools.product(range(oh), range(ow))
    ]
    return each, (oh, ow)


def bordered(x, padding, fill=0.0):
    ph, pw = pair(padding)
    n, c, h, w = x.shape
    out = x.new_full((n, c, h + 2 * ph, w + 2 * pw), fill)
    out[:, :, ph : ph + h, pw : pw + w] = x
    return out


def cropped(padded, shape, padding):
    ph, pw = pair(padding)
    return padded[:, :, ph : ph + shape[2], pw : pw + shape[3]]


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    padded = bordered(x, padding)
    each, _ = windows(x.shape, kernel_size, stride, padding, dilation)
    return torch.stack([padded[:, :, r, s].flatten(1) for _, _, r, s in each], dim=-1)


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    n, c = input_shape[:2]
    padded = bordered(cols.new_zeros(input_shape), padding)
    each, _ = windows(input_shape, kernel_size, stride, padding, dilation)
    for position, (_, _, rows, columns) in enumerate(each):
        padded[:, :, rows, columns] += cols[:, :, position].reshape(n, c, *pair(kernel_size))
    return cropped(padded, input_shape, padding)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    padded, kernel = bordered(x, padding), tuple(weight.shape[2:])
    each, size = windows(x.shape, kernel, stride, padding, dilation)
    n, (o, deep) = x.shape[0], weight.shape[:2]
    y = x.new_empty((n, o, *size))
    filters = weight.reshape(groups, o // groups, -1)
    for p, q, rows, columns in each:
        seen = padded[:, :, rows, columns].reshape(n, groups, 1, deep * kernel[0] * kernel[1])
        y[:, :, p, q] = (seen * filters).sum(-1).reshape(n, o)
    return y if bias is None else y + bias[:, None, None]


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    padded, kernel = bordered(x, padding), tuple(weight.shape[2:])
    grad_padded, grad_weight = torch.zeros_like(padded), torch.zeros(weight.shape, dtype=x.dtype)
    each, _ = windows(x.shape, kernel, stride, padding, dilation)
    deep, wide = weight.shape[1], weight.shape[0] // groups
    for p, q, rows, columns in each:
        for g in range(groups):
            channels, filters = slice(g * deep, (g + 1) * deep), slice(g * wide, (g + 1) * wide)
            grad = grad_output[:, filters, p, q]
            seen = padded[:, channels, rows, columns]
            grad_weight[filters] += torch.einsum("no,ncij->ocij", grad, seen)
            grad_padded[:, channels, rows, columns] += torch.einsum(
                "no,ocij->ncij", grad, weight[filters]
            )
    return cropped(grad_padded, x.shape, padding), grad_weight, grad_output.sum((0, 2, 3))


def max_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    padded = bordered(x, padding, -torch.inf)
    each, size = windows(x.shape, kernel_size, stride, padding, 1)
    y = x.new_empty((*x.shape[:2], *size))
    for p, q, rows, columns in each:
        y[:, :, p, q] = padded[:, :, rows, columns].amax((2, 3))
    return y


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    padded = bordered(x, padding, -torch.inf)
    grad_padded = torch.zeros_like(padded)
    each, _ = windows(x.shape, kernel_size, stride, padding, 1)
    for p, q, rows, columns in each:
        seen = padded[:, :, rows, columns]
        winner = seen.flatten(2).argmax(2, keepdim=True)
        spread = torch.zeros_like(seen).flatten(2)
        spread.scatter_(2, winner, grad_output[:, :, p, q].unsqueeze(2))
        grad_padded[:, :, rows, columns] += spread.reshape(seen.shape)
    return cropped(grad_padded, x.shape, padding)


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    padded = bordered(x, padding)
    each, size = windows(x.shape, kernel_size, stride, padding, 1)
    y = x.new_empty((*x.shape[:2], *size))
    for p, q, rows, columns in each:
        y[:, :, p, q] = padded[:, :, rows, columns].mean((2, 3))
    return y


def avg_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    kh, kw = pair(kernel_size)
    grad_padded = torch.zeros_like(bordered(x, padding))
    each, _ = windows(x.shape, kernel_size, stride, padding, 1)
    for p, q, rows, columns in each:
        grad_padded[:, :, rows, columns] += grad_output[:, :, p, q, None, None] / (kh * kw)
    return cropped(grad_padded, x.shape, padding)
