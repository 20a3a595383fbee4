"""NumPy from end to end, and back to torch at the last moment."""

import numpy as np
import torch


def of(*arrays):
    made = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
    made = [t.reshape(np.shape(array)) for t, array in zip(made, arrays, strict=True)]
    return made[0] if len(made) == 1 else tuple(made)


def matmul(x, w):
    return of(np.matmul(x.numpy(), w.numpy()))


def matmul_backward(grad_output, x, w):
    g, x, w = grad_output.numpy(), x.numpy(), w.numpy()
    axes = tuple(range(g.ndim - 1))
    return of(np.tensordot(g, w, axes=(-1, 1)), np.tensordot(x, g, axes=(axes, axes)))


def batched_matmul(a, b):
    return of(a.numpy() @ b.numpy())


def batched_matmul_backward(grad_output, a, b):
    g, a, b = grad_output.numpy(), a.numpy(), b.numpy()
    return of(
        summed(g @ np.swapaxes(b, -1, -2), a.shape), summed(np.swapaxes(a, -1, -2) @ g, b.shape)
    )


def summed(grad, shape):
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    ones = tuple(i for i, n in enumerate(shape) if n == 1 and grad.shape[i] != 1)
    return np.asarray(grad.sum(axis=ones, keepdims=True)).reshape(shape)


def unbroadcast(grad, shape):
    return of(summed(grad.numpy(), tuple(shape)))


def add(x, y):
    return of(np.add(x.numpy(), y.numpy()))


def multiply_backward(grad_output, x, y):
    g = grad_output.numpy()
    return of(summed(g * y.numpy(), tuple(x.shape)), summed(g * x.numpy(), tuple(y.shape)))


def relu(x):
    return of(np.maximum(x.numpy(), 0))


def relu_backward(grad_output, x):
    return of(np.where(x.numpy() > 0, grad_output.numpy(), 0).astype(x.numpy().dtype))


def sigmoid(x):
    return of(np.exp(-np.logaddexp(0, -x.numpy())))


def tanh(x):
    return of(np.tanh(x.numpy()))


def exp(x):
    with np.errstate(over="ignore"):
        return of(np.exp(x.numpy()))


def power(x, k):
    return of(np.power(x.numpy(), k).astype(x.numpy().dtype))


def axes_of(dim):
    return tuple(dim) if isinstance(dim, tuple | list) else dim


def reduce_sum(x, dim=None, keepdim=False):
    return of(np.asarray(x.numpy().sum(axis=axes_of(dim), keepdims=keepdim)))


def reduce_mean(x, dim=None, keepdim=False):
    return of(np.asarray(x.numpy().mean(axis=axes_of(dim), keepdims=keepdim)))


def reduce_max(x, dim=None, keepdim=False):
    return of(np.asarray(x.numpy().max(axis=axes_of(dim), keepdims=keepdim)))


def reduce_sum_backward(grad_output, x, dim=None, keepdim=False):
    g, axis = grad_output.numpy(), axes_of(dim)
    if axis is None:
        axis = tuple(range(x.dim()))
    if not keepdim:
        axis = tuple(a % x.dim() for a in ((axis,) if isinstance(axis, int) else axis))
        g = np.expand_dims(g, axis)
    return of(np.broadcast_to(g, tuple(x.shape)).copy())
