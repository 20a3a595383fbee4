"""Operators and their gradients, forward and backward, by hand.

Notation: (*) is any shape; (..., d) is any leading dimensions (none is fine), then d. The type
hints say the same: "*batch d" is (..., d), "" a 0-dim tensor, " d" one dimension of size d.

A backward function takes `grad_output` first: dL/d(result) of its forward function, for whatever
loss L comes after it. It has that result's shape and dtype, and it is not always 1. What comes
back is dL/d(input), with the shape and dtype of that input; several gradients come as a tuple, in
the order of the inputs.

Inputs are float32 or float64, may be non-contiguous, and leading dimensions may have size 0.
No function changes its arguments. README.md has the rules, the pictures and the hints.
"""
from __future__ import annotations
import math
import torch
from jaxtyping import Float
from torch import Tensor
Dims = int | tuple[int, ...] | None

def _sum_to(grad: Float[Tensor, '*big'], shape: tuple[int, ...]) -> Float[Tensor, '*small']:
    """Add up `grad` along every dimension that broadcasting `shape` had made or stretched."""
    padded = (1,) * (grad.dim() - len(shape)) + tuple(shape)
    copied = tuple((i for i, size in enumerate(grad.shape) if padded[i] != size))
    if copied:
        grad = grad.sum(dim=copied, keepdim=True)
    return grad.reshape(shape)

def _reduced_dims(x: Float[Tensor, '*shape'], dim: Dims) -> tuple[int, ...]:
    """The dimensions that a reduction removes, as non-negative numbers."""
    if dim is None:
        return tuple(range(x.dim()))
    return tuple((d % x.dim() for d in ((dim,) if isinstance(dim, int) else dim)))

def _with_kept_dims(grad_output: Float[Tensor, '*reduced'], x: Float[Tensor, '*shape'], dim: Dims) -> Float[Tensor, '*kept']:
    """`grad_output` with every reduced dimension back in place as size 1: it broadcasts with x."""
    reduced = _reduced_dims(x, dim)
    return grad_output.reshape([1 if i in reduced else n for i, n in enumerate(x.shape)])

def matmul(x: Float[Tensor, '*batch d'], w: Float[Tensor, 'd e']) -> Float[Tensor, '*batch e']:
    """Every row of x times the one matrix w.

    x: (..., d); a bare (d,) is a single row. w: (d, e). Returns (..., e).
    """
    return x @ w

def matmul_backward(grad_output: Float[Tensor, '*batch e'], x: Float[Tensor, '*batch d'], w: Float[Tensor, 'd e']) -> tuple[Float[Tensor, '*batch d'], Float[Tensor, 'd e']]:
    """Gradients of `matmul`.

    grad_output: (..., e), x: (..., d), w: (d, e). Returns (grad_x like x, grad_w like w).

    Derive: write one entry of the result as a sum, differentiate it by one entry of x and by one
    entry of w, and recognise what you get as matrix products. Which indices of the result does a
    single entry of w reach when there are leading dimensions?
    """
    d, e = w.shape
    grad_x = grad_output @ w.T
    grad_w = x.reshape(-1, d).T @ grad_output.reshape(-1, e)
    return (grad_x, grad_w)

def batched_matmul(a: Float[Tensor, '*a_batch n k'], b: Float[Tensor, '*b_batch k m']) -> Float[Tensor, '*batch n m']:
    """A matrix product for each batch index.

    a: (..., n, k), b: (..., k, m), both at least 2-D. Their leading dimensions broadcast against
    each other, as in (5, 1, n, k) × (4, k, m) → (5, 4, n, m).
    """
    return a @ b

def batched_matmul_backward(grad_output: Float[Tensor, '*batch n m'], a: Float[Tensor, '*a_batch n k'], b: Float[Tensor, '*b_batch k m']) -> tuple[Float[Tensor, '*a_batch n k'], Float[Tensor, '*b_batch k m']]:
    """Gradients of `batched_matmul`.

    grad_output: (..., n, m) with the broadcast leading dimensions; a: (..., n, k), b: (..., k, m).
    Returns (grad_a like a, grad_b like b), each with its own input's leading dimensions.

    Derive: first for one pair of matrices. Then ask how often each matrix of a and of b was used.
    """
    grad_a = _sum_to(grad_output @ b.mT, a.shape)
    grad_b = _sum_to(a.mT @ grad_output, b.shape)
    return (grad_a, grad_b)

def linear(x: Float[Tensor, '*batch d'], weight: Float[Tensor, 'e d'], bias: Float[Tensor, ' e']) -> Float[Tensor, '*batch e']:
    """The layer of torch.nn.Linear, x weightᵀ + bias: `weight` has one row per *output* feature.

    x: (..., d), weight: (e, d), bias: (e,). Returns (..., e).
    """
    return x @ weight.T + bias

def linear_backward(grad_output: Float[Tensor, '*batch e'], x: Float[Tensor, '*batch d'], weight: Float[Tensor, 'e d']) -> tuple[Float[Tensor, '*batch d'], Float[Tensor, 'e d'], Float[Tensor, ' e']]:
    """Gradients of `linear`.

    grad_output: (..., e), x: (..., d), weight: (e, d).
    Returns (grad_x like x, grad_weight like weight, grad_bias (e,)).

    Derive: as for a matrix product, but with the weight stored the other way round. Don't guess
    where the transposes go, write the indices down. The bias isn't an argument: why not?
    """
    e, d = weight.shape
    rows = grad_output.reshape(-1, e)
    return (grad_output @ weight, rows.T @ x.reshape(-1, d), rows.sum(dim=0))

def add_bias(x: Float[Tensor, '*batch d'], b: Float[Tensor, ' d']) -> Float[Tensor, '*batch d']:
    """The same b added to every row of x.

    x: (..., d), b: (d,). Returns (..., d).
    """
    return x + b

def add_bias_backward(grad_output: Float[Tensor, '*batch d']) -> tuple[Float[Tensor, '*batch d'], Float[Tensor, ' d']]:
    """Gradients of `add_bias`.

    grad_output: (..., d). Returns (grad_x (..., d), grad_b (d,)).

    Derive: how many entries of the result does one entry of x reach, and how many does one of b?
    """
    d = grad_output.shape[-1]
    return (grad_output, grad_output.reshape(-1, d).sum(dim=0))

def unbroadcast(grad: Float[Tensor, '*big'], shape: tuple[int, ...] | torch.Size) -> Float[Tensor, '*small']:
    raise NotImplementedError('unbroadcast')

def add(x: Float[Tensor, '*x_shape'], y: Float[Tensor, '*y_shape']) -> Float[Tensor, '*out']:
    raise NotImplementedError('add')

def add_backward(grad_output: Float[Tensor, '*out'], x: Float[Tensor, '*x_shape'], y: Float[Tensor, '*y_shape']) -> tuple[Float[Tensor, '*x_shape'], Float[Tensor, '*y_shape']]:
    raise NotImplementedError('add_backward')

def multiply(x: Float[Tensor, '*x_shape'], y: Float[Tensor, '*y_shape']) -> Float[Tensor, '*out']:
    raise NotImplementedError('multiply')

def multiply_backward(grad_output: Float[Tensor, '*out'], x: Float[Tensor, '*x_shape'], y: Float[Tensor, '*y_shape']) -> tuple[Float[Tensor, '*x_shape'], Float[Tensor, '*y_shape']]:
    raise NotImplementedError('multiply_backward')

def relu(x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('relu')

def relu_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('relu_backward')

def sigmoid(x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('sigmoid')

def sigmoid_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('sigmoid_backward')

def tanh(x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('tanh')

def tanh_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('tanh_backward')

def gelu(x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('gelu')

def gelu_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('gelu_backward')

def silu(x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('silu')

def silu_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('silu_backward')

def exp(x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('exp')

def exp_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('exp_backward')

def log(x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('log')

def log_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape']) -> Float[Tensor, '*shape']:
    raise NotImplementedError('log_backward')

def power(x: Float[Tensor, '*shape'], k: float) -> Float[Tensor, '*shape']:
    raise NotImplementedError('power')

def power_backward(grad_output: Float[Tensor, '*shape'], x: Float[Tensor, '*shape'], k: float) -> Float[Tensor, '*shape']:
    raise NotImplementedError('power_backward')

def reduce_sum(x: Float[Tensor, '*shape'], dim: Dims=None, keepdim: bool=False) -> Float[Tensor, '*reduced']:
    raise NotImplementedError('reduce_sum')

def reduce_sum_backward(grad_output: Float[Tensor, '*reduced'], x: Float[Tensor, '*shape'], dim: Dims=None, keepdim: bool=False) -> Float[Tensor, '*shape']:
    raise NotImplementedError('reduce_sum_backward')

def reduce_mean(x: Float[Tensor, '*shape'], dim: Dims=None, keepdim: bool=False) -> Float[Tensor, '*reduced']:
    raise NotImplementedError('reduce_mean')

def reduce_mean_backward(grad_output: Float[Tensor, '*reduced'], x: Float[Tensor, '*shape'], dim: Dims=None, keepdim: bool=False) -> Float[Tensor, '*shape']:
    raise NotImplementedError('reduce_mean_backward')

def reduce_max(x: Float[Tensor, '*shape'], dim: Dims=None, keepdim: bool=False) -> Float[Tensor, '*reduced']:
    raise NotImplementedError('reduce_max')

def reduce_max_backward(grad_output: Float[Tensor, '*reduced'], x: Float[Tensor, '*shape'], dim: Dims=None, keepdim: bool=False) -> Float[Tensor, '*shape']:
    raise NotImplementedError('reduce_max_backward')

def einsum_backward(grad_output: Float[Tensor, '*out'], equation: str, a: Float[Tensor, '*a_shape'], b: Float[Tensor, '*b_shape']) -> tuple[Float[Tensor, '*a_shape'], Float[Tensor, '*b_shape']]:
    raise NotImplementedError('einsum_backward')
