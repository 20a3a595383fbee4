"""im2col as the sparse matrix that it is; everything else is this matrix or its transpose."""

from __future__ import annotations

import torch


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def axis(size, kernel, stride, padding, dilation):
    """(kernel, count): the pixel that each offset of each window meets; some lie outside."""
    count = (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    return torch.arange(kernel)[:, None] * dilation + torch.arange(count) * stride - padding


def unroller(size, kernel_size, stride, padding, dilation):
    """The matrix (kh·kw·l, h·w) of zeros and ones, and (oh, ow)."""
    settings = zip(
        size, pair(kernel_size), pair(stride), pair(padding), pair(dilation), strict=True
    )
    rows, columns = (axis(*one) for one in settings)
    (h, w), (kh, oh), (kw, ow) = size, rows.shape, columns.shape
    down = rows[:, None, :, None].expand(kh, kw, oh, ow).flatten()
    across = columns[None, :, None, :].expand(kh, kw, oh, ow).flatten()
    inside = (down >= 0) & (down < h) & (across >= 0) & (across < w)
    entries = torch.arange(down.numel())[inside]
    places = torch.stack([entries, (down * w + across)[inside]])
    values = torch.ones(places.shape[1], dtype=torch.float64)
    shape = (down.numel(), h * w)
    return torch.sparse_coo_tensor(places, values, shape, check_invariants=False), (oh, ow)


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    n, c, h, w = x.shape
    matrix, (oh, ow) = unroller((h, w), kernel_size, stride, padding, dilation)
    entries = matrix @ x.reshape(n * c, h * w).T.double()
    kh, kw = pair(kernel_size)
    return entries.T.reshape(n, c * kh * kw, oh * ow).to(x.dtype)


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    n, c, h, w = input_shape
    matrix, _ = unroller((h, w), kernel_size, stride, padding, dilation)
    entries = cols.reshape(n * c, matrix.shape[0]).T.double()
    return (matrix.T @ entries).T.reshape(n, c, h, w).to(cols.dtype)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    n, o = x.shape[0], weight.shape[0]
    _, (oh, ow) = unroller(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    cols = im2col(x, tuple(weight.shape[2:]), stride, padding, dilation)
    blocks = cols.reshape(n, groups, cols.shape[1] // groups, 1, oh * ow)
    filters = weight.reshape(groups, o // groups, -1).transpose(1, 2)[None, ..., None]
    y = (blocks * filters).sum(2).reshape(n, o, oh, ow)
    return y if bias is None else y + bias[:, None, None]


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    o, kernel = weight.shape[0], tuple(weight.shape[2:])
    cols = im2col(x, kernel, stride, padding, dilation)
    blocks = cols.unflatten(1, (groups, cols.shape[1] // groups))
    grads = grad_output.flatten(2).unflatten(1, (groups, o // groups))
    filters = weight.reshape(groups, o // groups, -1)
    grad_weight = torch.einsum("ngol,ngkl->gok", grads, blocks).reshape(weight.shape)
    back = torch.einsum("ngol,gok->ngkl", grads, filters).reshape(cols.shape)
    grad_x = col2im(back, x.shape, kernel, stride, padding, dilation)
    return grad_x, grad_weight, grad_output.sum((0, 2, 3))


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    c, (kh, kw) = x.shape[1], pair(kernel_size)
    weight = torch.full((c, 1, kh, kw), 1 / (kh * kw), dtype=torch.float64)
    return conv2d(x.double(), weight, None, stride, padding, 1, c).to(x.dtype)


def avg_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    c, (kh, kw) = x.shape[1], pair(kernel_size)
    weight = torch.full((c, 1, kh, kw), 1 / (kh * kw), dtype=torch.float64)
    grad = grad_output.double()
    return conv2d_backward(grad, x.double(), weight, stride, padding, 1, c)[0].to(x.dtype)
