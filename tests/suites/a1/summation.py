"""Everything by einsum, with the ellipsis for what leads."""

import torch


def matmul(x, w):
    return torch.einsum("...d,de->...e", x, w)


def matmul_backward(grad_output, x, w):
    return (
        torch.einsum("...e,de->...d", grad_output, w),
        torch.einsum("...d,...e->de", x, grad_output),
    )


def batched_matmul(a, b):
    return torch.einsum("...nk,...km->...nm", a, b)


def batched_matmul_backward(grad_output, a, b):
    grad_a = torch.einsum("...nm,...km->...nk", grad_output, b)
    grad_b = torch.einsum("...nk,...nm->...km", a, grad_output)
    return grad_a.sum_to_size(a.shape), grad_b.sum_to_size(b.shape)


def linear(x, weight, bias):
    return torch.einsum("...d,ed->...e", x, weight) + bias


def linear_backward(grad_output, x, weight):
    return (
        torch.einsum("...e,ed->...d", grad_output, weight),
        torch.einsum("...e,...d->ed", grad_output, x),
        torch.einsum("...e->e", grad_output),
    )


def add_bias(x, b):
    return x + b.expand(x.shape)


def add_bias_backward(grad_output):
    return grad_output.clone(), torch.einsum("...d->d", grad_output)


def unbroadcast(grad, shape):
    return grad.sum_to_size(shape)


def add_backward(grad_output, x, y):
    return tuple(grad_output.sum_to_size(t.shape) for t in (x, y))


def multiply_backward(grad_output, x, y):
    return [(grad_output * y).sum_to_size(x.shape), (grad_output * x).sum_to_size(y.shape)]


def reduce_sum(x, dim=None, keepdim=False):
    if dim is None:
        dim = tuple(range(x.dim()))
    dims = [d % x.dim() for d in ((dim,) if isinstance(dim, int) else dim)] if x.dim() else []
    letters = "abcdefghij"[: x.dim()]
    kept = "".join(letter for d, letter in enumerate(letters) if d not in dims)
    total = torch.einsum(f"{letters}->{kept}", x)
    if keepdim:
        for d in sorted(dims):
            total = total.unsqueeze(d)
    return total


def einsum_backward(grad_output, equation, a, b):
    inputs, output = equation.split("->")
    left, right = inputs.split(",")
    # Ones stand for the indices that one operand alone has.
    ones_a = torch.ones(a.shape, dtype=a.dtype)
    ones_b = torch.ones(b.shape, dtype=b.dtype)
    return (
        torch.einsum(f"{output},{right},{left}->{left}", grad_output, b, ones_a),
        torch.einsum(f"{output},{left},{right}->{right}", grad_output, a, ones_b),
    )
