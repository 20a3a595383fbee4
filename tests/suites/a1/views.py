"""Results that are views: transposed, expanded, every second element, lists for tuples."""

import torch


def transposed(x):
    """The same values in the layout of the reversed tensor."""
    order = list(range(x.dim()))[::-1]
    return x.permute(order).contiguous().permute(order)


def sparse(x):
    """The same values with a gap after each."""
    room = torch.full((*x.shape, 2), float("nan"), dtype=x.dtype)
    room[..., 0] = x
    return room[..., 0]


def matmul(x, w):
    return transposed(x @ w)


def matmul_backward(grad_output, x, w):
    rows = grad_output.reshape(-1, grad_output.shape[-1])
    grad_w = rows.t() @ x.reshape(-1, x.shape[-1])
    return [(w @ grad_output.unsqueeze(-1)).squeeze(-1), grad_w.t()]


def linear_backward(grad_output, x, weight):
    rows = grad_output[None] if x.dim() == 1 else grad_output.flatten(0, -2)
    inputs = x[None] if x.dim() == 1 else x.flatten(0, -2)
    grad_weight = (inputs.t() @ rows).t()
    return [sparse(grad_output @ weight), grad_weight, sparse(rows.sum(0))]


def add_bias_backward(grad_output):
    grad_b = grad_output
    while grad_b.dim() > 1:
        grad_b = grad_b.sum(0)
    return grad_output, grad_b


def unbroadcast(grad, shape):
    while grad.dim() > len(shape):
        grad = grad.sum(0)
    for axis, size in enumerate(shape):
        if size == 1:
            grad = grad.sum(axis, keepdim=True)
    return sparse(grad)


def add(x, y):
    return transposed(x + y)


def relu(x):
    return sparse(x.clamp(min=0))


def relu_backward(grad_output, x):
    return transposed(grad_output * torch.heaviside(x, torch.zeros((), dtype=x.dtype)))


def gelu(x):
    return x * 0.5 * torch.special.erfc(-x * 0.5**0.5)


def silu(x):
    return x / (1 + torch.exp(-x))


def reduce_sum_backward(grad_output, x, dim=None, keepdim=False):
    if not keepdim and dim is not None:
        for axis in sorted(d % x.dim() for d in ((dim,) if isinstance(dim, int) else dim)):
            grad_output = grad_output.unsqueeze(axis)
    return grad_output.expand(x.shape)


def reduce_mean_backward(grad_output, x, dim=None, keepdim=False):
    spread = reduce_sum_backward(grad_output, x, dim, keepdim)
    return spread * (grad_output.numel() / max(x.numel(), 1))


def reduce_max_backward(grad_output, x, dim=None, keepdim=False):
    axes = list(range(x.dim())) if dim is None else ([dim] if isinstance(dim, int) else list(dim))
    axes = sorted(axis % x.dim() for axis in axes) if x.dim() else []
    largest = x
    for axis in axes:
        largest = largest.max(axis, keepdim=True).values
    winners = x.eq(largest).to(x.dtype)
    count = winners
    for axis in axes:
        count = count.sum(axis, keepdim=True)
    if not keepdim:
        for axis in axes:
            grad_output = grad_output.unsqueeze(axis)
    return winners / count * grad_output
