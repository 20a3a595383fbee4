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

# BEGIN SOLUTION
# Two ideas that several exercises share: undoing a broadcast, and undoing a reduction's reshape.


def _sum_to(grad: Float[Tensor, "*big"], shape: tuple[int, ...]) -> Float[Tensor, "*small"]:
    """Add up `grad` along every dimension that broadcasting `shape` had made or stretched."""
    # One input entry was read once for each copy that broadcasting made of it. A variable that is
    # used in several places gets the sum of what comes back from them, hence a sum over copies.
    #
    # Broadcasting pads the smaller shape with ones *on the left* and then stretches ones. With the
    # same padding both kinds look alike: every dimension where the sizes differ was a copy.
    padded = (1,) * (grad.dim() - len(shape)) + tuple(shape)
    copied = tuple(i for i, size in enumerate(grad.shape) if padded[i] != size)
    if copied:  # sum(dim=()) would sum over everything
        grad = grad.sum(dim=copied, keepdim=True)
    # What is left to drop is padding, all ones. reshape also covers shape == ().
    return grad.reshape(shape)


def _reduced_dims(x: Float[Tensor, "*shape"], dim: Dims) -> tuple[int, ...]:
    """The dimensions that a reduction removes, as non-negative numbers."""
    if dim is None:
        return tuple(range(x.dim()))
    return tuple(d % x.dim() for d in ((dim,) if isinstance(dim, int) else dim))


def _with_kept_dims(
    grad_output: Float[Tensor, "*reduced"], x: Float[Tensor, "*shape"], dim: Dims
) -> Float[Tensor, "*kept"]:
    """`grad_output` with every reduced dimension back in place as size 1: it broadcasts with x."""
    # The shape follows from x and dim alone, so keepdim needs no branch: if it was True this
    # reshape changes nothing. (unsqueeze, one dim at a time, goes wrong for an unsorted tuple.)
    reduced = _reduced_dims(x, dim)
    return grad_output.reshape([1 if i in reduced else n for i, n in enumerate(x.shape)])


# END SOLUTION


# --- matmul --------------------------------------------------------------------------------------


def matmul(x: Float[Tensor, "*batch d"], w: Float[Tensor, "d e"]) -> Float[Tensor, "*batch e"]:
    """Every row of x times the one matrix w.

    x: (..., d); a bare (d,) is a single row. w: (d, e). Returns (..., e).
    """
    # BEGIN SOLUTION
    # y[n, j] = Σ_k x[n, k] w[k, j], where n stands for all leading indices together.
    return x @ w
    # END SOLUTION


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
    # BEGIN SOLUTION
    # With y[n, j] = Σ_k x[n, k] w[k, j] and g = dL/dy:
    #   dL/dx[n, k] = Σ_j g[n, j] w[k, j]     summed over j, the second index of both: g wᵀ
    #   dL/dw[k, j] = Σ_n x[n, k] g[n, j]     summed over n, the first index of both: xᵀ g
    # x[n, k] reaches only row n. w[k, j] reaches *every* row, so its gradient sums over all of
    # them, and n may run over any number of leading dimensions: fold these into rows.
    # reshape(-1, d) also makes one row of a bare (d,), and works if a leading size is 0.
    d, e = w.shape
    grad_x = grad_output @ w.T
    grad_w = x.reshape(-1, d).T @ grad_output.reshape(-1, e)
    return grad_x, grad_w
    # END SOLUTION


# --- batched_matmul ------------------------------------------------------------------------------


def batched_matmul(
    a: Float[Tensor, "*a_batch n k"], b: Float[Tensor, "*b_batch k m"]
) -> Float[Tensor, "*batch n m"]:
    """A matrix product for each batch index.

    a: (..., n, k), b: (..., k, m), both at least 2-D. Their leading dimensions broadcast against
    each other, as in (5, 1, n, k) × (4, k, m) → (5, 4, n, m).
    """
    # BEGIN SOLUTION
    # y[t, i, j] = Σ_p a[t, i, p] b[t, p, j], where t stands for the broadcast leading indices.
    return a @ b
    # END SOLUTION


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
    # BEGIN SOLUTION
    # For one batch index t this is matmul again:
    #   dL/da[t, i, p] = Σ_j g[t, i, j] b[t, p, j]     g bᵀ
    #   dL/db[t, p, j] = Σ_i a[t, i, p] g[t, i, j]     aᵀ g
    # .mT swaps the last two dimensions only; .T would turn the batch around as well.
    # A matrix that was broadcast served several t: sum its gradient over them. The last two
    # dimensions of each product have the right size already, so _sum_to leaves them alone.
    grad_a = _sum_to(grad_output @ b.mT, a.shape)
    grad_b = _sum_to(a.mT @ grad_output, b.shape)
    return grad_a, grad_b
    # END SOLUTION


# --- linear --------------------------------------------------------------------------------------


def linear(
    x: Float[Tensor, "*batch d"], weight: Float[Tensor, "e d"], bias: Float[Tensor, " e"]
) -> Float[Tensor, "*batch e"]:
    """The layer of torch.nn.Linear, x weightᵀ + bias: `weight` has one row per *output* feature.

    x: (..., d), weight: (e, d), bias: (e,). Returns (..., e).
    """
    # BEGIN SOLUTION
    # y[n, j] = Σ_k x[n, k] weight[j, k] + bias[j]
    return x @ weight.T + bias
    # END SOLUTION


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
    # BEGIN SOLUTION
    # With y[n, j] = Σ_k x[n, k] weight[j, k] + bias[j]:
    #   dL/dx[n, k]      = Σ_j g[n, j] weight[j, k]     g weight, no transpose
    #   dL/dweight[j, k] = Σ_n g[n, j] x[n, k]          gᵀ x, which is (e, d) as it must be
    #   dL/dbias[j]      = Σ_n g[n, j]                  dy/dbias = 1, whatever the bias is
    e, d = weight.shape
    rows = grad_output.reshape(-1, e)
    return grad_output @ weight, rows.T @ x.reshape(-1, d), rows.sum(dim=0)
    # END SOLUTION


# --- bias ----------------------------------------------------------------------------------------


def add_bias(x: Float[Tensor, "*batch d"], b: Float[Tensor, " d"]) -> Float[Tensor, "*batch d"]:
    """The same b added to every row of x.

    x: (..., d), b: (d,). Returns (..., d).
    """
    # BEGIN SOLUTION
    # y[n, k] = x[n, k] + b[k]: broadcasting lines b up with the *last* dimension.
    return x + b
    # END SOLUTION


def add_bias_backward(
    grad_output: Float[Tensor, "*batch d"],
) -> tuple[Float[Tensor, "*batch d"], Float[Tensor, " d"]]:
    """Gradients of `add_bias`.

    grad_output: (..., d). Returns (grad_x (..., d), grad_b (d,)).

    Derive: how many entries of the result does one entry of x reach, and how many does one of b?
    """
    # BEGIN SOLUTION
    # dL/dx[n, k] = g[n, k]: x[n, k] reaches one entry, with derivative 1.
    # dL/db[k] = Σ_n g[n, k]: b[k] reaches one entry in each row. It is a sum, not a mean: if L
    # averages over the batch, the 1/N is in g already.
    # Rows again rather than sum(dim=0): there may be several leading dimensions, or none.
    d = grad_output.shape[-1]
    return grad_output, grad_output.reshape(-1, d).sum(dim=0)
    # END SOLUTION


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
    # BEGIN SOLUTION
    return _sum_to(grad, tuple(shape))
    # END SOLUTION


def add(x: Float[Tensor, "*x_shape"], y: Float[Tensor, "*y_shape"]) -> Float[Tensor, "*out"]:
    """x + y, elementwise, for any two shapes that broadcast.

    x: (*), y: (*). Returns a tensor of their broadcast shape.
    """
    # BEGIN SOLUTION
    return x + y
    # END SOLUTION


def add_backward(
    grad_output: Float[Tensor, "*out"],
    x: Float[Tensor, "*x_shape"],
    y: Float[Tensor, "*y_shape"],
) -> tuple[Float[Tensor, "*x_shape"], Float[Tensor, "*y_shape"]]:
    """Gradients of `add`.

    grad_output: the broadcast shape of x and y. Returns (grad_x like x, grad_y like y).

    Derive: the rule for equal shapes, then what broadcasting adds to it.
    """
    # BEGIN SOLUTION
    # dz/dx = dz/dy = 1: g passes through, and each copy of an entry sends its share back.
    return _sum_to(grad_output, x.shape), _sum_to(grad_output, y.shape)
    # END SOLUTION


def multiply(x: Float[Tensor, "*x_shape"], y: Float[Tensor, "*y_shape"]) -> Float[Tensor, "*out"]:
    """x · y, elementwise, for any two shapes that broadcast.

    x: (*), y: (*). Returns a tensor of their broadcast shape.
    """
    # BEGIN SOLUTION
    return x * y
    # END SOLUTION


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
    # BEGIN SOLUTION
    # For z = x y: dz/dx = y and dz/dy = x, so the local gradients are g·y and g·x.
    # Multiply first, sum afterwards. The copies of x[i] met *different* entries of y, and
    # dL/dx[i] = Σ_copies g[copy] y[copy]; after a sum of g alone nobody knows which g met which y.
    return _sum_to(grad_output * y, x.shape), _sum_to(grad_output * x, y.shape)
    # END SOLUTION


# --- activations ---------------------------------------------------------------------------------
# All of these work element by element, so their Jacobians are diagonal and every backward function
# is the upstream gradient times the derivative at x. Keep them accurate for |x| up to 10,000.


def relu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """max(x, 0), elementwise. x: (*). Returns (*)."""
    # BEGIN SOLUTION
    return x.clamp(min=0)
    # END SOLUTION


def relu_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `relu`. grad_output, x: (*). Returns (*).

    Derive: the derivative on either side of 0. At 0 itself there is none; take 0, as torch does.
    """
    # BEGIN SOLUTION
    # A gate: 1 where x > 0, else 0. The strict > is what makes relu'(0) = 0.
    return torch.where(x > 0, grad_output, 0.0)
    # END SOLUTION


def sigmoid(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """σ(x) = 1 / (1 + e^(−x)), elementwise, without overflow. x: (*). Returns (*)."""
    # BEGIN SOLUTION
    # Multiplied by e^x / e^x it reads e^x / (1 + e^x). Either form has an exponential that
    # overflows on one side. With z = e^(−|x|), which lies in (0, 1], take the safe one on each
    # side: 1 / (1 + z) for x ≥ 0 and z / (1 + z) for x < 0.
    z = torch.exp(-x.abs())
    return torch.where(x >= 0, 1.0, z) / (1 + z)
    # END SOLUTION


def sigmoid_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `sigmoid`. grad_output, x: (*), x the *input* of sigmoid. Returns (*).

    Derive: differentiate 1 / (1 + e^(−x)) and express the result by σ itself.
    """
    # BEGIN SOLUTION
    # σ' = e^(−x) / (1 + e^(−x))² = σ(x) (1 − σ(x)).
    # For large x, σ(x) rounds to 1 and 1 − σ(x) to 0. But 1 − σ(x) = σ(−x), which needs no
    # subtraction, and then σ' = σ(x) σ(−x) = z / (1 + z)² with z = e^(−|x|) on both sides.
    z = torch.exp(-x.abs())
    return grad_output * z / (1 + z) ** 2
    # END SOLUTION


def tanh(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """(e^x − e^(−x)) / (e^x + e^(−x)), elementwise, without overflow. x: (*). Returns (*)."""
    # BEGIN SOLUTION
    # Divide by e^|x|: tanh|x| = (1 − z) / (1 + z) with z = e^(−2|x|) in (0, 1], and tanh is odd.
    # expm1 computes e^u − 1 without the cancellation that 1 − z suffers near x = 0.
    z_minus_1 = torch.expm1(-2 * x.abs())
    return x.sign() * -z_minus_1 / (2 + z_minus_1)
    # END SOLUTION


def tanh_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `tanh`. grad_output, x: (*), x the *input* of tanh. Returns (*).

    Derive: the quotient rule, then express the result by tanh itself.
    """
    # BEGIN SOLUTION
    # tanh' = 1 − tanh². In the tails that subtracts two numbers that are nearly 1. Written out
    # with z = e^(−2|x|) the difference is exact: 1 − ((1 − z)/(1 + z))² = 4z / (1 + z)².
    z = torch.exp(-2 * x.abs())
    return grad_output * 4 * z / (1 + z) ** 2
    # END SOLUTION


def gelu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """x Φ(x), elementwise, Φ the distribution function of the standard normal, N(0, 1).

    x: (*). Returns (*). Φ(x) = ½ (1 + erf(x / √2)): the exact form, not the tanh approximation.
    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, arXiv:1606.08415.
    """
    # BEGIN SOLUTION
    # 1 + erf cancels for x ≪ 0, where erf → −1. erfc(u) = 1 − erf(u) and erf is odd, so
    # 1 + erf(u) = erfc(−u), which torch computes to full relative accuracy.
    return x * 0.5 * torch.special.erfc(-x / math.sqrt(2))
    # END SOLUTION


def gelu_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of the exact `gelu`. grad_output, x: (*). Returns (*).

    Derive: the product rule on x Φ(x). What is the derivative of a distribution function?
    """
    # BEGIN SOLUTION
    # (x Φ)' = Φ + x Φ', and Φ' is the density φ(x) = e^(−x²/2) / √(2π).
    # From erf: erf'(u) = 2/√π · e^(−u²), times 1/√2 for the inner x/√2, times ½.
    cumulative = 0.5 * torch.special.erfc(-x / math.sqrt(2))
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return grad_output * (cumulative + x * density)
    # END SOLUTION


def silu(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """x σ(x), elementwise, also called swish. x: (*). Returns (*)."""
    # BEGIN SOLUTION
    return x * sigmoid(x)
    # END SOLUTION


def silu_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `silu`. grad_output, x: (*). Returns (*).

    Derive: the product rule on x σ(x).
    """
    # BEGIN SOLUTION
    # (x σ)' = σ + x σ' = σ(x) + x σ(x) σ(−x) = σ(x) (1 + x σ(−x)).
    return grad_output * sigmoid(x) * (1 + x * sigmoid(-x))
    # END SOLUTION


def exp(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """e^x, elementwise. x: (*). Returns (*). May overflow to inf."""
    # BEGIN SOLUTION
    return torch.exp(x)
    # END SOLUTION


def exp_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `exp`. grad_output, x: (*), x the *input* of exp. Returns (*)."""
    # BEGIN SOLUTION
    # e^x is its own derivative, at x. (Autograd saves the result to skip this second exp.)
    return grad_output * torch.exp(x)
    # END SOLUTION


def log(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Natural logarithm, elementwise. x: (*), x > 0. Returns (*)."""
    # BEGIN SOLUTION
    return torch.log(x)
    # END SOLUTION


def log_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Gradient of `log`. grad_output, x: (*), x > 0. Returns (*)."""
    # BEGIN SOLUTION
    # d(log x)/dx = 1/x.
    return grad_output / x
    # END SOLUTION


# --- power ---------------------------------------------------------------------------------------


def power(x: Float[Tensor, "*shape"], k: float) -> Float[Tensor, "*shape"]:
    """x^k, elementwise.

    x: (*); k: a Python number, the same for all entries. x > 0, or any x where k is an integer
    ≥ 0 (2 or 2.0). 0⁰ is 1. Returns (*).
    """
    # BEGIN SOLUTION
    return x**k
    # END SOLUTION


def power_backward(
    grad_output: Float[Tensor, "*shape"], x: Float[Tensor, "*shape"], k: float
) -> Float[Tensor, "*shape"]:
    """Gradient of `power` with respect to x. (k is a constant and gets none.)

    grad_output, x: (*); k: a Python number. Returns (*).

    Derive: the power rule. Then check it where x = 0: with k = 0, with k = 1, with k = 2.
    """
    # BEGIN SOLUTION
    # d(x^k)/dx = k x^(k−1). x⁰ is the constant 1, so its derivative is 0 everywhere. At x = 0 the
    # formula can't say so: 0 · 0^(−1) = 0 · inf = nan. For k = 1 it is fine, as 0⁰ = 1.
    if k == 0:
        return torch.zeros_like(grad_output)
    return grad_output * k * x ** (k - 1)
    # END SOLUTION


# --- reductions ----------------------------------------------------------------------------------
# dim: an int (may be negative), a non-empty tuple of ints in any order, or None for all dimensions.
# keepdim=True keeps each reduced dimension with size 1; otherwise it is gone from the result.


def reduce_sum(
    x: Float[Tensor, "*shape"], dim: Dims = None, keepdim: bool = False
) -> Float[Tensor, "*reduced"]:
    """Sum over `dim`. x: (*). Returns x's shape without the reduced dimensions, or with 1s."""
    # BEGIN SOLUTION
    return x.sum(dim=dim, keepdim=keepdim)
    # END SOLUTION


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
    # BEGIN SOLUTION
    # y[r] = Σ_c x[r, c], so dL/dx[r, c] = g[r] for every c: a copy. Summing and broadcasting are
    # each other's backward. Aligning comes first: g of (3,) from x of (3, 3) and dim=1 would
    # broadcast without complaint along the wrong dimension.
    return _with_kept_dims(grad_output, x, dim).expand(x.shape)
    # END SOLUTION


def reduce_mean(
    x: Float[Tensor, "*shape"], dim: Dims = None, keepdim: bool = False
) -> Float[Tensor, "*reduced"]:
    """Mean over `dim`. x: (*). Returns x's shape without the reduced dimensions, or with 1s."""
    # BEGIN SOLUTION
    return x.mean(dim=dim, keepdim=keepdim)
    # END SOLUTION


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
    # BEGIN SOLUTION
    # y[r] = 1/N Σ_c x[r, c], so dL/dx[r, c] = g[r] / N. N counts what went into one mean: the
    # product of the reduced sizes. (x.numel() / grad_output.numel() is 0/0 when a kept size is 0.)
    count = math.prod(x.shape[i] for i in _reduced_dims(x, dim))
    return (_with_kept_dims(grad_output, x, dim) / count).expand(x.shape)
    # END SOLUTION


def reduce_max(
    x: Float[Tensor, "*shape"], dim: Dims = None, keepdim: bool = False
) -> Float[Tensor, "*reduced"]:
    """Maximum over `dim`. x: (*). Returns x's shape without the reduced dimensions, or with 1s."""
    # BEGIN SOLUTION
    # amax rather than max: it takes several dimensions and returns the values alone.
    return x.amax(dim=_reduced_dims(x, dim), keepdim=keepdim)
    # END SOLUTION


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
    # BEGIN SOLUTION
    # The maximum follows its winner and ignores the rest: dL/dx[r, c] = g[r] where x[r, c] is the
    # largest of its group, else 0. With m equal winners there is no derivative; g[r] / m to each
    # is the symmetric choice, torch.amax's, and the m shares add up to g[r].
    reduced = _reduced_dims(x, dim)
    winners = x == x.amax(dim=reduced, keepdim=True)
    share = _with_kept_dims(grad_output, x, dim) / winners.sum(dim=reduced, keepdim=True)
    return torch.where(winners, share, 0.0)
    # END SOLUTION


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
    # BEGIN SOLUTION
    # out[O] = Σ a[A] b[B], summed over all indices in A or B but not in O. An entry a[A] appears
    # in each term with these values of A, so dL/da[A] = Σ g[O] b[B] over the indices of O and B
    # that A doesn't fix: the einsum "O,B->A". Likewise "O,A->B" for b. For "ik,kj->ij" these are
    # "ij,kj->ik" = g bᵀ and "ij,ik->kj" = aᵀ g, our matmul.
    #
    # An index that only a has, and that was summed out, occurs in neither O nor B: einsum can't
    # produce it. Its entries were simply added up, so they all get the same gradient: leave it
    # out, put it back as a dimension of size 1, and expand. (The sum's backward is a broadcast.)
    operands, output = equation.split("->")
    a_indices, b_indices = operands.split(",")

    def gradient(indices: str, like: Tensor, other_indices: str, other: Tensor) -> Tensor:
        known = "".join(index for index in indices if index in output + other_indices)
        grad = torch.einsum(f"{output},{other_indices}->{known}", grad_output, other)
        sizes = [n if i in known else 1 for i, n in zip(indices, like.shape, strict=True)]
        return grad.reshape(sizes).expand(like.shape)

    return gradient(a_indices, a, b_indices, b), gradient(b_indices, b, a_indices, a)
    # END SOLUTION
