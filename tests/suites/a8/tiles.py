"""Helper functions for whole tiles, heuristics and autotuning, transposed tiles."""

import os

import torch
import triton
import triton.language as tl

ON_CPU = os.environ.get("TRITON_INTERPRET", "0") == "1"


def tuned(*blocks, key):
    configs = [triton.Config({"M": m, "N": n}, num_warps=4) for m, n in blocks]
    return triton.autotune(configs=configs[:1] if ON_CPU else configs, key=[key])


@triton.jit
def get(x, m, n, sm, sn, top, left, M: tl.constexpr, N: tl.constexpr):
    """A tile, with zeros beyond the edges."""
    i, j = (top + tl.arange(0, M))[:, None], (left + tl.arange(0, N))[None, :]
    return tl.load(x + i * sm + j * sn, mask=(i < m) & (j < n), other=0.0).to(tl.float32)


@triton.jit
def put(x, value, m, n, sm, sn, top, left, M: tl.constexpr, N: tl.constexpr):
    i, j = (top + tl.arange(0, M))[:, None], (left + tl.arange(0, N))[None, :]
    tl.store(x + i * sm + j * sn, value.to(x.dtype.element_ty), mask=(i < m) & (j < n))


@tuned((16, 128), (8, 256), key="n")
@triton.jit
def gelu_tiles(x, b, y, m, n, sm, sn, sb, M: tl.constexpr, N: tl.constexpr):
    top, left = tl.program_id(0) * M, tl.program_id(1) * N
    z = get(x, m, n, sm, sn, top, left, M, N) + get(b, 1, n, 0, sb, 0, left, 1, N)
    put(y, 0.5 * z * (1 + tl.math.erf(z * 0.5**0.5)), m, n, n, 1, top, left, M, N)


@triton.heuristics({"N": lambda args: max(16, min(128, triton.next_power_of_2(args["n"])))})
@triton.jit
def slope_columns(g, x, b, dx, db, m, n, gm, gn, xm, xn, sb, M: tl.constexpr, N: tl.constexpr):
    """One program for all the rows of some columns."""
    left = tl.program_id(0) * N
    bias = get(b, 1, n, 0, sb, 0, left, 1, N)
    total = tl.zeros((N,), tl.float32)
    for top in range(0, m, M):
        z = get(x, m, n, xm, xn, top, left, M, N) + bias
        slope = 0.5 * (1 + tl.math.erf(z * 0.5**0.5)) + z * tl.exp(-0.5 * z * z) * 0.3989422804
        grad = get(g, m, n, gm, gn, top, left, M, N) * slope
        put(dx, grad, m, n, n, 1, top, left, M, N)
        total += tl.sum(grad, 0)
    put(db, total[None, :], 1, n, 0, 1, 0, left, 1, N)


def bias_gelu(x, b):
    m, n = x.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)

    def grid(meta):
        return triton.cdiv(m, meta["M"]), triton.cdiv(n, meta["N"])

    gelu_tiles[grid](x, b, y, m, n, *x.stride(), *b.stride())
    return y


def bias_gelu_backward(grad_output, x, b):
    m, n = x.shape
    dx, db = torch.empty((m, n), dtype=x.dtype, device=x.device), torch.empty_like(b).contiguous()
    grid = lambda meta: (triton.cdiv(n, meta["N"]),)  # noqa: E731
    slope_columns[grid](
        grad_output, x, b, dx, db, m, n, *grad_output.stride(), *x.stride(), *b.stride(), M=32
    )
    return dx, db


@triton.jit
def columns_of_softmax(x, y, m, n, sm, sn, M: tl.constexpr, N: tl.constexpr):
    """Tiles lie transposed: the reduction is along the first axis."""
    top = tl.program_id(0) * M
    z = get(x, n, m, sn, sm, 0, top, N, M)
    z = tl.where(tl.arange(0, N)[:, None] < n, z, float("-inf"))
    powers = tl.exp(z - tl.max(z, 0, keep_dims=True))
    put(y, powers / tl.sum(powers, 0, keep_dims=True), n, m, 1, n, 0, top, N, M)


@triton.jit
def columns_of_gradient(g, p, dx, m, n, gm, gn, pm, pn, M: tl.constexpr, N: tl.constexpr):
    top = tl.program_id(0) * M
    probs = get(p, m, n, pm, pn, top, 0, M, N)
    scaled = probs * get(g, m, n, gm, gn, top, 0, M, N)
    grad = scaled - probs * tl.sum(scaled, 1, keep_dims=True)
    put(dx, grad, m, n, n, 1, top, 0, M, N)


def softmax(x):
    m, n = x.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    columns_of_softmax[triton.cdiv(m, 4),](
        x, y, m, n, *x.stride(), M=4, N=triton.next_power_of_2(n)
    )
    return y


def softmax_backward(grad_output, probs):
    m, n = probs.shape
    dx = torch.empty((m, n), dtype=probs.dtype, device=probs.device)
    columns_of_gradient[triton.cdiv(m, 4),](
        grad_output, probs, dx, m, n, *grad_output.stride(), *probs.stride(),
        M=4, N=triton.next_power_of_2(n),
    )  # fmt: skip
    return dx


@tuned((64, 32), (128, 128), key="k")
@triton.jit
def product(a, b, c, m, n, k, a0, a1, b0, b1, M: tl.constexpr, N: tl.constexpr):
    across = tl.cdiv(n, N)
    top, left = tl.program_id(0) // across * M, tl.program_id(0) % across * N
    total = tl.zeros((M, N), tl.float32)
    for depth in range(0, k, 32):
        rows = get(a, m, k, a0, a1, top, depth, M, 32)
        columns = get(b, k, n, b0, b1, depth, left, 32, N)
        total = tl.dot(rows, columns, total, input_precision="ieee")
    put(c, total, m, n, n, 1, top, left, M, N)


def matmul(a, b):
    (m, k), n = a.shape, b.shape[1]
    c = a.new_empty((m, n))
    grid = lambda meta: (triton.cdiv(m, meta["M"]) * triton.cdiv(n, meta["N"]),)  # noqa: E731
    product[grid](a, b, c, m, n, k, *a.stride(), *b.stride())
    return c


def matmul_backward(grad_output, a, b):
    # (aᵀ g) as (gᵀ a)ᵀ: the result is a view.
    return matmul(grad_output, b.t()), matmul(grad_output.t(), a).t()


@triton.jit
def rows_of_losses(x, target, loss, dx, n, x0, x1, t0, N: tl.constexpr):
    row = tl.program_id(0)
    j = tl.arange(0, N)
    z = tl.load(x + row * x0 + j * x1, mask=j < n, other=float("-inf")).to(tl.float32)
    label = tl.load(target + row * t0)
    largest = tl.max(z, 0)
    log_total = largest + tl.log(tl.sum(tl.exp(z - largest), 0))
    value = tl.sum(tl.where(j == label, log_total - z, 0), 0)
    tl.store(loss + row, value)
    grad = tl.exp(z - log_total) - (j == label).to(tl.float32)
    tl.store(dx + row * n + j, grad.to(dx.dtype.element_ty), mask=j < n)


def cross_entropy(logits, target):
    m, n = logits.shape
    loss = torch.empty(m, dtype=torch.float32, device=logits.device)
    dx = torch.empty((m, n), dtype=logits.dtype, device=logits.device)
    rows_of_losses[(m,)](
        logits, target, loss, dx, n, *logits.stride(), *target.stride(), triton.next_power_of_2(n)
    )
    return loss, dx


@triton.jit
def moments(old, value, beta):
    return old + (1 - beta) * (value - old)


@triton.jit
def step_tiles(p, g, m, v, p_, m_, v_, n, lr, c1, c2, beta1, beta2, eps, decay, N: tl.constexpr):
    i = tl.program_id(0) * N + tl.max_contiguous(tl.arange(0, N), N)
    keep = i < n
    grad = tl.load(g + i, mask=keep)
    first = moments(tl.load(m + i, mask=keep), grad, beta1)
    second = moments(tl.load(v + i, mask=keep), grad * grad, beta2)
    param = tl.load(p + i, mask=keep)
    direction = first * c1 / (tl.sqrt(second * c2) + eps) + decay * param
    tl.store(p_ + i, param - lr * direction, mask=keep)
    tl.store(m_ + i, first, mask=keep)
    tl.store(v_ + i, second, mask=keep)


def adamw_update(param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
    old = [each.reshape(-1).contiguous() for each in (param, grad, exp_avg, exp_avg_sq)]
    new = [torch.empty(param.shape, dtype=old[k].dtype, device=param.device) for k in (0, 2, 3)]
    c1, c2 = (1 / (1 - beta**step) for beta in betas)
    step_tiles[(triton.cdiv(param.numel(), 512),)](
        *old, *new, param.numel(), lr, c1, c2, *betas, eps, weight_decay, N=512
    )
    return tuple(new)
