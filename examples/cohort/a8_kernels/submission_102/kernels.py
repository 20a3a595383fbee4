"""Five GPU kernels in Triton: each result element written by a program that you launch.

Assignment a8_kernels; README.md has the pictures, the rules and the hints. Fill in the eight
functions below and write the kernels that they launch. The functions' names, parameters and
results are the contract; kernels, block sizes and helpers are yours.

Tensors are on one device: a CUDA GPU, in float32, float16 or bfloat16, or the CPU, in float32,
where Triton's interpreter runs your kernels as Python. They may be non-contiguous or expanded, and
every size is at least 1; leave them as they were. Results have their input's dtype; whatever adds
up, adds up in float32. torch may allocate, view and copy. The kernels compute.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Without a GPU, Triton interprets kernels. It wants to know before it is imported.
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

import triton
import triton.language as tl

INTERPRETED = os.environ.get("TRITON_INTERPRET", "0") == "1"


def autotuned(configs: Sequence[triton.Config], key: Sequence[str], **options: Any) -> Callable:
    """`triton.autotune`: on a GPU, the fastest of `configs` for each value of the `key` arguments.

    The interpreter can't measure anything, so there the first configuration is taken.
    """
    # GIVEN: with more than one configuration, triton.autotune itself fails without a GPU.
    return triton.autotune(configs[:1] if INTERPRETED else list(configs), list(key), **options)


@triton.jit
def _scale_kernel(x, y, factor, n, BLOCK: tl.constexpr):
    # GIVEN: an example. Each program handles BLOCK elements; program_id says which ones.
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n  # the last block sticks out: neither load nor store there
    tl.store(y + at, tl.load(x + at, mask=inside) * factor, mask=inside)


def scale(x: Float[Tensor, " n"], factor: float) -> Float[Tensor, " n"]:
    """factor · x, for a contiguous vector: an example of a kernel and its launch."""
    # GIVEN: an example.
    y = torch.empty_like(x)
    block = 1024
    grid = (triton.cdiv(x.numel(), block),)  # how many programs
    _scale_kernel[grid](x, y, factor, x.numel(), BLOCK=block)
    return y


# --- bias_gelu ------------------------------------------------------------------------------------


def bias_gelu(x: Float[Tensor, "m n"], b: Float[Tensor, " n"]) -> Float[Tensor, "m n"]:
    """gelu(x + b), where b is added to every row, in one launch.

    x: (m, n), b: (n,). Returns (m, n). gelu is the exact one: z times the standard normal
    distribution function of z, which has the error function in it (tl.math.erf).
    """
    raise NotImplementedError("bias_gelu")


def bias_gelu_backward(
    grad_output: Float[Tensor, "m n"], x: Float[Tensor, "m n"], b: Float[Tensor, " n"]
) -> tuple[Float[Tensor, "m n"], Float[Tensor, " n"]]:
    """The gradients (grad_x, grad_b) of bias_gelu, by any number of launches.

    grad_output, x: (m, n), b: (n,). Returns (m, n) and (n,). Each element of b was added to a
    whole column of x. Derive the slope of gelu first; it has two terms.
    """
    raise NotImplementedError("bias_gelu_backward")


# --- softmax --------------------------------------------------------------------------------------


def softmax(x: Float[Tensor, "m n"]) -> Float[Tensor, "m n"]:
    """softmax along each row of x, for rows of up to 16,384 elements.

    x: (m, n), with n ≤ 16,384. Returns (m, n). Right for any finite values.
    """
    raise NotImplementedError("softmax")


def softmax_backward(
    grad_output: Float[Tensor, "m n"], probs: Float[Tensor, "m n"]
) -> Float[Tensor, "m n"]:
    """The gradient of softmax with respect to its input, from its result.

    grad_output, probs: (m, n), with n ≤ 16,384, probs = softmax(x). Returns (m, n). Write the
    derivative of one probability with respect to one input first; then the sum over a row.
    """
    raise NotImplementedError("softmax_backward")


# --- matmul ---------------------------------------------------------------------------------------


def matmul(a: Float[Tensor, "m k"], b: Float[Tensor, "k n"]) -> Float[Tensor, "m n"]:
    """The matrix product of a and b, block by block.

    a: (m, k), b: (k, n), any sizes and strides. Returns (m, n). Adds up in float32, whatever the
    dtype; float32 inputs are multiplied exactly (not as tf32).
    """
    raise NotImplementedError("matmul")


def matmul_backward(
    grad_output: Float[Tensor, "m n"], a: Float[Tensor, "m k"], b: Float[Tensor, "k n"]
) -> tuple[Float[Tensor, "m k"], Float[Tensor, "k n"]]:
    """The gradients (grad_a, grad_b) of matmul. May call matmul.

    grad_output: (m, n), a: (m, k), b: (k, n). Returns (m, k) and (k, n). Only one way of putting
    the factors together has the right shape.
    """
    raise NotImplementedError("matmul_backward")


# --- cross_entropy --------------------------------------------------------------------------------


def cross_entropy(
    logits: Float[Tensor, "m n"], target: Int[Tensor, " m"]
) -> tuple[Float[Tensor, " m"], Float[Tensor, "m n"]]:
    """The cross-entropy of each row with its target class, and its gradient, together.

    logits: (m, n), with n ≤ 131,072; target: (m,), int64 classes from 0 to n − 1. Returns
    (loss, grad_logits): loss (m,) in float32, one value per row; grad_logits (m, n), each row the
    gradient of its own loss (no mean over rows). Right for any finite logits. Read a row once
    where it fits into a block.
    """
    raise NotImplementedError("cross_entropy")


# --- adamw ----------------------------------------------------------------------------------------


def adamw_update(
    param: Float[Tensor, "*shape"],
    grad: Float[Tensor, "*shape"],
    exp_avg: Float[Tensor, "*shape"],
    exp_avg_sq: Float[Tensor, "*shape"],
    step: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> tuple[Float[Tensor, "*shape"], Float[Tensor, "*shape"], Float[Tensor, "*shape"]]:
    """One AdamW step, in one launch: the new (param, exp_avg, exp_avg_sq), each a new tensor.

    All tensors have one shape, any; each result has the dtype of what it replaces. `step` is 1 on
    the first step. The parameter first shrinks by the factor 1 − lr · weight_decay; eps is added
    to the root of the corrected second moment. betas[0] belongs to exp_avg.
    """
    raise NotImplementedError("adamw_update")
