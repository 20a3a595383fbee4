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


# --- matmul --------------------------------------------------------------------------------------


def matmul(x: Float[Tensor, "*batch d"], w: Float[Tensor, "d e"]) -> Float[Tensor, "*batch e"]:
    """Every row of x times the one matrix w.

    x: (..., d); a bare (d,) is a single row. w: (d, e). Returns (..., e).
    """
    raise NotImplementedError("matmul")


def matmul_backward(
    grad_output: Float[Tensor, "*batch e"],
    x: Float[Tensor, "*batch d"],
    w: Float[Tensor, "d e"],
) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, "d e"]]:
    """Gradients of `matmul`.

    grad_output: (..., e), x: (..., d), w: (d, e). Returns (grad_x like x, grad_w like w).

    Derive: write one entry of the result as a sum, differentiate it by one entry of x and by one
    entry of w, and recognise what you get as matrix products. Which indices of the result does a
    single entry of w reach when there are leading dimensions?
    """
    raise NotImplementedError("matmul_backward")


# --- batched_matmul ------------------------------------------------------------------------------


def batched_matmul(
    a: Float[Tensor, "*a_batch n k"], b: Float[Tensor, "*b_batch k m"]
) -> Float[Tensor, "*batch n m"]:
    """A matrix product for each batch index.

    a: (..., n, k), b: (..., k, m), both at least 2-D. Their leading dimensions broadcast against
    each other, as in (5, 1, n, k) × (4, k, m) → (5, 4, n, m).
    """
    raise NotImplementedError("batched_matmul")


def batched_matmul_backward(
    grad_output: Float[Tensor, "*batch n m"],
    a: Float[Tensor, "*a_batch n k"],
    b: Float[Tensor, "*b_batch k m"],
) -> tuple[Float[Tensor, "*a_batch n k"], Float[Tensor, "*b_batch k m"]]:
    """Gradients of `batched_matmul`.

    grad_output: (..., n, m) with the broadcast leading dimensions; a: (..., n, k), b: (..., k, m).
    Returns (grad_a like a, grad_b like b), each with its own input's leading dimensions.

    Derive: first for one pair of matrices. Then ask how often each matrix of a and of b was used.
    """
    raise NotImplementedError("batched_matmul_backward")


# --- linear --------------------------------------------------------------------------------------


def linear(
    x: Float[Tensor, "*batch d"], weight: Float[Tensor, "e d"], bias: Float[Tensor, " e"]
) -> Float[Tensor, "*batch e"]:
    """The layer of torch.nn.Linear, x weightᵀ + bias: `weight` has one row per *output* feature.

    x: (..., d), weight: (e, d), bias: (e,). Returns (..., e).
    """
    raise NotImplementedError("linear")


def linear_backward(
    grad_output: Float[Tensor, "*batch e"],
    x: Float[Tensor, "*batch d"],
    weight: Float[Tensor, "e d"],
) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, "e d"], Float[Tensor, " e"]]:
    """Gradients of `linear`.

    grad_output: (..., e), x: (..., d), weight: (e, d).
    Returns (grad_x like x, grad_weight like weight, grad_bias (e,)).

    Derive: as for a matrix product, but with the weight stored the other way round. Don't guess
    where the transposes go, write the indices down. The bias isn't an argument: why not?
    """
    raise NotImplementedError("linear_backward")


# --- bias ----------------------------------------------------------------------------------------


def add_bias(x: Float[Tensor, "*batch d"], b: Float[Tensor, " d"]) -> Float[Tensor, "*batch d"]:
    """The same b added to every row of x.

    x: (..., d), b: (d,). Returns (..., d).
    """
    raise NotImplementedError("add_bias")


def add_bias_backward(
    grad_output: Float[Tensor, "*batch d"],
) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, " d"]]:
    """Gradients of `add_bias`.

    grad_output: (..., d). Returns (grad_x (..., d), grad_b (d,)).

    Derive: how many entries of the result does one entry of x reach, and how many does one of b?
    """
    raise NotImplementedError("add_bias_backward")


# --- broadcasting --------------------------------------------------------------------------------


def unbroadcast(
    grad: Float[Tensor, "*big"], shape: tuple[int, ...] | torch.Size
) -> Float[Tensor, "*small"]:
    """Bring a gradient back to the shape that its input had before it was broadcast.

    grad: (*), the gradient with respect to the broadcast input.
    shape: the input's own shape; it broadcasts to grad's. It may be () or equal to grad's shape.
    Returns a tensor of exactly that shape.

    Derive: broadcasting copies entries. What is the gradient of an entry that was copied?
    """
    raise NotImplementedError("unbroadcast")


def add(x: Float[Tensor, "*x_shape"], y: Float[Tensor, "*y_shape"]) -> Float[Tensor, "*out"]:
    """x + y, elementwise, for any two shapes that broadcast.

    x: (*), y: (*). Returns a tensor of their broadcast shape.
    """
    raise NotImplementedError("add")


def add_backward(
    grad_output: Float[Tensor, "*out"],
    x: Float[Tensor, "*x_shape"],
    y: Float[Tensor, "*y_shape"],
) -> tuple[Float[Tensor, "*x_shape"], Float[Tensor, "*y_shape"]]:
    """Gradients of `add`.

    grad_output: the broadcast shape of x and y. Returns (grad_x like x, grad_y like y).

    Derive: the rule for equal shapes, then what broadcasting adds to it.
    """
    raise NotImplementedError("add_backward")


def multiply(x: Float[Tensor, "*x_shape"], y: Float[Tensor, "*y_shape"]) -> Float[Tensor, "*out"]:
    """x · y, elementwise, for any two shapes that broadcast.

    x: (*), y: (*). Returns a tensor of their broadcast shape.
    """
    raise NotImplementedError("multiply")


def multiply_backward(
    grad_output: Float[Tensor, "*out"],
    x: Float[Tensor, "*x_shape"],
    y: Float[Tensor, "*y_shape"],
) -> tuple[Float[Tensor, "*x_shape"], Float[Tensor, "*y_shape"]]:
    """Gradients of `multiply`.

    grad_output: the broadcast shape of x and y. Returns (grad_x like x, grad_y like y).

    Derive: the rule for equal shapes, then what broadcasting adds to it. Does the order of the
    two steps matter?
    """
    raise NotImplementedError("multiply_backward")


# --- activations ---------------------------------------------------------------------------------
# All of these work element by element, so their Jacobians are diagonal and every backward function
# is the upstream gradient times the derivative at x. Keep them accurate for |x| up to 10,000.


def relu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """max(x, 0), elementwise. x: (*). Returns (*)."""
    raise NotImplementedError("relu")


def relu_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `relu`. grad_output, x: (*). Returns (*).

    Derive: the derivative on either side of 0. At 0 itself there is none; take 0, as torch does.
    """
    raise NotImplementedError("relu_backward")


def sigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """σ(x) = 1 / (1 + e^(−x)), elementwise, without overflow. x: (*). Returns (*)."""
    raise NotImplementedError("sigmoid")


def sigmoid_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `sigmoid`. grad_output, x: (*), x the *input* of sigmoid. Returns (*).

    Derive: differentiate 1 / (1 + e^(−x)) and express the result by σ itself.
    """
    raise NotImplementedError("sigmoid_backward")


def tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """(e^x − e^(−x)) / (e^x + e^(−x)), elementwise, without overflow. x: (*). Returns (*)."""
    raise NotImplementedError("tanh")


def tanh_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `tanh`. grad_output, x: (*), x the *input* of tanh. Returns (*).

    Derive: the quotient rule, then express the result by tanh itself.
    """
    raise NotImplementedError("tanh_backward")


def gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """x Φ(x), elementwise, Φ the distribution function of the standard normal, N(0, 1).

    x: (*). Returns (*). Φ(x) = ½ (1 + erf(x / √2)): the exact form, not the tanh approximation.
    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
    """
    raise NotImplementedError("gelu")


def gelu_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of the exact `gelu`. grad_output, x: (*). Returns (*).

    Derive: the product rule on x Φ(x). What is the derivative of a distribution function?
    """
    raise NotImplementedError("gelu_backward")


def silu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """x σ(x), elementwise, also called swish. x: (*). Returns (*)."""
    raise NotImplementedError("silu")


def silu_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `silu`. grad_output, x: (*). Returns (*).

    Derive: the product rule on x σ(x).
    """
    raise NotImplementedError("silu_backward")


def exp(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """e^x, elementwise. x: (*). Returns (*). May overflow to inf."""
    raise NotImplementedError("exp")


def exp_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `exp`. grad_output, x: (*), x the *input* of exp. Returns (*)."""
    raise NotImplementedError("exp_backward")


def log(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Natural logarithm, elementwise. x: (*), x > 0. Returns (*)."""
    raise NotImplementedError("log")


def log_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `log`. grad_output, x: (*), x > 0. Returns (*)."""
    raise NotImplementedError("log_backward")


# --- power ---------------------------------------------------------------------------------------


def power(x: Float[Tensor, "*shape"], k: float) -> Float[Tensor, "*shape"]:
    """x^k, elementwise.

    x: (*); k: a Python number, the same for all entries. x > 0, or any x where k is an integer
    ≥ 0 (2 or 2.0). 0⁰ is 1. Returns (*).
    """
    raise NotImplementedError("power")


def power_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"], k: float
) -> Float[Tensor, "*shape"]:
    """Gradient of `power` with respect to x. (k is a constant and gets none.)

    grad_output, x: (*); k: a Python number. Returns (*).

    Derive: the power rule. Then check it where x = 0: with k = 0, with k = 1, with k = 2.
    """
    raise NotImplementedError("power_backward")


# --- reductions ----------------------------------------------------------------------------------
# dim: an int (may be negative), a non-empty tuple of ints in any order, or None for all dimensions.
# keepdim=True keeps each reduced dimension with size 1; otherwise it is gone from the result.


def reduce_sum(
    x: Float[Tensor, "*shape"], dim: Dims = None, keepdim: bool = False
) -> Float[Tensor, "*reduced"]:
    """Sum over `dim`. x: (*). Returns x's shape without the reduced dimensions, or with 1s."""
    raise NotImplementedError("reduce_sum")


def reduce_sum_backward(
    grad_output: Float[Tensor, "*reduced"],
    x: Float[Tensor, "*shape"],
    dim: Dims = None,
    keepdim: bool = False,
) -> Float[Tensor, "*shape"]:
    """Gradient of `reduce_sum`.

    grad_output: the shape of reduce_sum(x, dim, keepdim). x: (*). Returns (*).

    Derive: each entry of x goes into one sum, with weight 1. Which entry of grad_output is that,
    and how do its dimensions line up with x's when keepdim is False?
    """
    raise NotImplementedError("reduce_sum_backward")


def reduce_mean(
    x: Float[Tensor, "*shape"], dim: Dims = None, keepdim: bool = False
) -> Float[Tensor, "*reduced"]:
    """Mean over `dim`. x: (*). Returns x's shape without the reduced dimensions, or with 1s."""
    raise NotImplementedError("reduce_mean")


def reduce_mean_backward(
    grad_output: Float[Tensor, "*reduced"],
    x: Float[Tensor, "*shape"],
    dim: Dims = None,
    keepdim: bool = False,
) -> Float[Tensor, "*shape"]:
    """Gradient of `reduce_mean`.

    grad_output: the shape of reduce_mean(x, dim, keepdim). x: (*). Returns (*).

    Derive: a mean is a sum with a factor. How many entries go into *one* mean?
    """
    raise NotImplementedError("reduce_mean_backward")


def reduce_max(
    x: Float[Tensor, "*shape"], dim: Dims = None, keepdim: bool = False
) -> Float[Tensor, "*reduced"]:
    """Maximum over `dim`. x: (*). Returns x's shape without the reduced dimensions, or with 1s."""
    raise NotImplementedError("reduce_max")


def reduce_max_backward(
    grad_output: Float[Tensor, "*reduced"],
    x: Float[Tensor, "*shape"],
    dim: Dims = None,
    keepdim: bool = False,
) -> Float[Tensor, "*shape"]:
    """Gradient of `reduce_max`; where several entries are largest, they share it equally.

    grad_output: the shape of reduce_max(x, dim, keepdim). x: (*). Returns (*).

    Derive: which entries of x move the maximum if you nudge them, and which don't?
    """
    raise NotImplementedError("reduce_max_backward")


# --- einsum (challenge) --------------------------------------------------------------------------


def einsum_backward(
    grad_output: Float[Tensor, "*out"],
    equation: str,
    a: Float[Tensor, "*a_shape"],
    b: Float[Tensor, "*b_shape"],
) -> tuple[Float[Tensor, "*a_shape"], Float[Tensor, "*b_shape"]]:
    """Gradients of torch.einsum(equation, a, b), for any equation with two operands.

    grad_output: the shape of torch.einsum(equation, a, b).
    equation: such as "bik,bkj->bij": lower-case letters, an explicit "->", no ellipsis, no spaces,
        no index twice within one operand, at least one index per operand. An index may occur in
        one operand only and be summed out ("ij,k->i"); the output may have no index ("i,i->").
    Returns (grad_a like a, grad_b like b).

    Derive: write the equation as a sum over indices, and differentiate by one entry of a. Which
    einsum is the result? And which indices of a can't be the output of any einsum over the rest?
    """
    raise NotImplementedError("einsum_backward")
