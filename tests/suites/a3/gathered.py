"""Index arithmetic: one table says which pixel each entry of the columns is."""

from __future__ import annotations

import torch


def table(shape, kernel, stride, padding, dilation):
    """The number of each entry's pixel within a padded channel, (kh·kw, oh·ow), and (oh, ow)."""
    (h, w) = shape
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = (
        (v, v) if isinstance(v, int) else v for v in (kernel, stride, padding, dilation)
    )
    oh = (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1
    ow = (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    rows = (torch.arange(kh) * dh)[:, None, None, None] + (torch.arange(oh) * sh)[
        None, None, :, None
    ]
    columns = (torch.arange(kw) * dw)[None, :, None, None] + torch.arange(ow) * sw
    return (rows * (w + 2 * pw) + columns).reshape(kh * kw, oh * ow), (oh, ow)


def padded(x, padding, fill=0.0):
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    n, c, h, w = x.shape
    tall = torch.cat([x.new_full((n, c, ph, w), fill), x, x.new_full((n, c, ph, w), fill)], 2)
    side = x.new_full((n, c, h + 2 * ph, pw), fill)
    return torch.cat([side, tall, side], 3)


def crop(flat, shape, padding):
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    n, c, h, w = shape
    return flat.reshape(n, c, h + 2 * ph, w + 2 * pw)[:, :, ph : ph + h, pw : pw + w]


def im2col(x, kernel_size, stride=1, padding=0, dilation=1):
    places, _ = table(x.shape[2:], kernel_size, stride, padding, dilation)
    n, c = x.shape[:2]
    flat = padded(x, padding).flatten(2)
    return flat[:, :, places].reshape(n, c * places.shape[0], places.shape[1])


def col2im(cols, input_shape, kernel_size, stride=1, padding=0, dilation=1):
    n, c, h, w = input_shape
    places, _ = table((h, w), kernel_size, stride, padding, dilation)
    entries = cols.reshape(n, c, places.numel())
    ph, pw = (padding, padding) if isinstance(padding, int) else padding
    flat = cols.new_zeros((n, c, (h + 2 * ph) * (w + 2 * pw)))
    index = places.reshape(1, 1, -1).expand(n, c, -1)
    return crop(flat.scatter_add(2, index, entries), input_shape, padding)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    o, deep, kh, kw = weight.shape
    _, (oh, ow) = table(x.shape[2:], (kh, kw), stride, padding, dilation)
    y = x.new_zeros((x.shape[0], o, oh, ow))
    if bias is not None:
        y += bias[None, :, None, None]
    wide = o // groups
    for image, out in zip(x, y, strict=True):
        for g in range(groups):
            block = image[None, g * deep : (g + 1) * deep]
            cols = im2col(block, (kh, kw), stride, padding, dilation)[0]
            product = weight[g * wide : (g + 1) * wide].reshape(wide, -1) @ cols
            out[g * wide : (g + 1) * wide] += product.reshape(wide, oh, ow)
    return y


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    o, deep, kh, kw = weight.shape
    wide = o // groups
    grad_x, grad_weight = torch.zeros(x.shape, dtype=x.dtype), torch.zeros_like(weight)
    for g in range(groups):
        channels, filters = slice(g * deep, (g + 1) * deep), slice(g * wide, (g + 1) * wide)
        cols = im2col(x[:, channels], (kh, kw), stride, padding, dilation)
        grads = grad_output[:, filters].flatten(2)
        grad_weight[filters] = (grads @ cols.transpose(1, 2)).sum(0).reshape(wide, deep, kh, kw)
        back = weight[filters].reshape(wide, -1).T @ grads
        shape = (x.shape[0], deep, x.shape[2], x.shape[3])
        grad_x[:, channels] = col2im(back, shape, (kh, kw), stride, padding, dilation)
    return grad_x, grad_weight, grad_output.sum((0, 2, 3))


def max_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    places, out = table(x.shape[2:], kernel_size, stride, padding, 1)
    windows = padded(x, padding, -torch.inf).flatten(2)[:, :, places]
    return windows.max(dim=2).values.reshape(*x.shape[:2], *out)


def max_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    places, _ = table(x.shape[2:], kernel_size, stride, padding, 1)
    room = padded(x, padding, -torch.inf).flatten(2)
    offset = room[:, :, places].argmax(2)
    pixel = places[offset, torch.arange(places.shape[1])]
    grad = torch.zeros_like(room).scatter_add(2, pixel, grad_output.flatten(2))
    return crop(grad, x.shape, padding)


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    places, out = table(x.shape[2:], kernel_size, stride, padding, 1)
    return padded(x, padding).flatten(2)[:, :, places].mean(2).reshape(*x.shape[:2], *out)


def avg_pool2d_backward(grad_output, x, kernel_size, stride=None, padding=0):
    stride = kernel_size if stride is None else stride
    n, c = x.shape[:2]
    places, _ = table(x.shape[2:], kernel_size, stride, padding, 1)
    each = (grad_output / places.shape[0]).flatten(2)[:, :, None]
    cols = each.expand(n, c, *places.shape).reshape(n, c * places.shape[0], places.shape[1])
    return col2im(cols, (n, c, *x.shape[2:]), kernel_size, stride, padding)
