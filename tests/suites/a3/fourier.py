"""Convolutions as products of Fourier transforms: dense results, of which the stride keeps some."""

from __future__ import annotations

import torch
from torch.fft import irfft2, rfft2


def pair(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def spread(small, step, size):
    """`small` with its last two axes' entries `step` apart, in zeros of `size`."""
    out = small.new_zeros((*small.shape[:-2], *size))
    (sh, sw), (h, w) = step, small.shape[-2:]
    out[..., : sh * (h - 1) + 1 : sh, : sw * (w - 1) + 1 : sw] = small
    return out


def plan(x, weight, stride, padding, dilation, groups):
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    n, c, h, w = x.shape
    o, deep, kh, kw = weight.shape
    size = (h + 2 * ph, w + 2 * pw)
    oh, ow = (size[0] - dh * (kh - 1) - 1) // sh + 1, (size[1] - dw * (kw - 1) - 1) // sw + 1
    image = x.new_zeros((n, c, *size))
    image[:, :, ph : ph + h, pw : pw + w] = x
    image = image.reshape(n, groups, deep, *size)
    kernels = spread(weight, (dh, dw), size).reshape(groups, o // groups, deep, *size)
    return image, kernels, size, (oh, ow), (sh, sw), (ph, pw), (dh, dw)


def conv2d(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    image, kernels, size, (oh, ow), (sh, sw), _, _ = plan(
        x, weight, stride, padding, dilation, groups
    )
    if not x.shape[0]:  # which rfft2 refuses
        return x.new_zeros((0, weight.shape[0], oh, ow))
    # Correlation: the kernel's transform is conjugated. Windows inside the image don't wrap round.
    product = torch.einsum("ngchw,gochw->ngohw", rfft2(image), rfft2(kernels).conj())
    dense = irfft2(product, s=size).reshape(x.shape[0], weight.shape[0], *size)
    y = dense[:, :, : sh * (oh - 1) + 1 : sh, : sw * (ow - 1) + 1 : sw]
    return y if bias is None else y + bias[:, None, None]


def conv2d_backward(grad_output, x, weight, stride=1, padding=0, dilation=1, groups=1):
    image, kernels, size, _, step, (ph, pw), (dh, dw) = plan(
        x, weight, stride, padding, dilation, groups
    )
    (n, c, h, w), (o, _, kh, kw) = x.shape, weight.shape
    if not n:
        return x.new_zeros(x.shape), torch.zeros_like(weight), weight.new_zeros(o)
    grads = rfft2(spread(grad_output, step, size).reshape(n, groups, o // groups, *size))
    grad_image = irfft2(torch.einsum("ngohw,gochw->ngchw", grads, rfft2(kernels)), s=size)
    taps = irfft2(torch.einsum("ngohw,ngchw->gochw", grads.conj(), rfft2(image)), s=size)
    grad_weight = taps[..., : dh * (kh - 1) + 1 : dh, : dw * (kw - 1) + 1 : dw]
    grad_x = grad_image.reshape(n, c, *size)[:, :, ph : ph + h, pw : pw + w]
    return grad_x, grad_weight.reshape(weight.shape), grad_output.sum((0, 2, 3))
