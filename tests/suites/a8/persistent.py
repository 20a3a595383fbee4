"""A fixed number of programs that stride over the work; several launches; split sums."""

import functools

import torch
import triton
import triton.language as tl

PROGRAMS = 3


@triton.jit
def phi(z):
    return 0.5 + 0.5 * tl.math.erf(z / 1.4142135623730951)


@triton.jit
def flat_gelu(x, b, y, total, n: tl.constexpr, BLOCK: tl.constexpr):
    for first in range(tl.program_id(0) * BLOCK, total, tl.num_programs(0) * BLOCK):
        at = first + tl.arange(0, BLOCK)
        z = tl.load(x + at, at < total) + tl.load(b + at % n, at < total)
        tl.store(y + at, z * phi(z), at < total)


@triton.jit
def flat_slope(g, x, b, dx, total, n, BLOCK: tl.constexpr):
    for first in range(tl.program_id(0) * BLOCK, total, tl.num_programs(0) * BLOCK):
        at = first + tl.arange(0, BLOCK)
        z = tl.load(x + at, at < total, 0) + tl.load(b + at % n, at < total, 0)
        s = phi(z) + z * tl.exp2(-0.7213475204444817 * z * z) * 0.3989422804014327
        tl.store(dx + at, s * tl.load(g + at, at < total, 0), at < total)


@triton.jit
def column_sums(x, y, m, n, BM: tl.constexpr, BN: tl.constexpr):
    for left in range(tl.program_id(0) * BN, n, tl.num_programs(0) * BN):
        columns = left + tl.arange(0, BN)
        total = tl.zeros([BM, BN], tl.float32)
        for first in range(0, m, BM):
            rows = first + tl.arange(0, BM)
            inside = (rows[:, None] < m) & (columns < n)
            total += tl.load(x + rows[:, None] * n + columns, inside, 0).to(tl.float32)
        tl.store(y + columns, tl.sum(total, 0), columns < n)


def flat(*tensors):
    return [tensor.contiguous().view(-1) for tensor in tensors]


def bias_gelu(x, b):
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    flat_gelu[(PROGRAMS,)](*flat(x, b), y, x.numel(), x.shape[1], BLOCK=2048)
    return y


def bias_gelu_backward(grad_output, x, b):
    dx, db = torch.empty(x.shape, dtype=x.dtype, device=x.device), b.new_empty(b.shape)
    flat_slope[(PROGRAMS,)](*flat(grad_output, x, b), dx, x.numel(), x.shape[1], BLOCK=2048)
    column_sums[(PROGRAMS,)](dx, db, *x.shape, BM=32, BN=128)
    return [dx, db]


@triton.jit
def row_statistics(x, stats, m, n, x_row, x_column, BLOCK: tl.constexpr):
    """The maximum of each row, and the sum of the powers relative to it; lane by lane at first."""
    for row in range(tl.program_id(0), m, tl.num_programs(0)):
        top = tl.full([BLOCK], -3e38, tl.float32)
        total = tl.zeros([BLOCK], tl.float32)
        for first in range(0, n, BLOCK):
            columns = first + tl.arange(0, BLOCK)
            z = tl.load(x + row * x_row + columns * x_column, columns < n, -3e38).to(tl.float32)
            higher = tl.maximum(top, z)
            total = total * tl.exp(top - higher) + tl.where(columns < n, tl.exp(z - higher), 0)
            top = higher
        largest = tl.max(top, 0)
        tl.store(stats + row * 2, largest)
        tl.store(stats + row * 2 + 1, tl.sum(total * tl.exp(top - largest), 0))


@triton.jit
def from_statistics(x, stats, y, m, n, x_row, x_column, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    largest, total = tl.load(stats + row * 2), tl.load(stats + row * 2 + 1)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    z = tl.load(x + row * x_row + columns * x_column, columns < n).to(tl.float32)
    probs = tl.exp(z - largest) / total
    tl.store(y + row * n + columns, probs.to(x.dtype.element_ty), columns < n)


@triton.jit
def subtract_targets(
    stats, x, target, loss, dx, m, n, x_row, x_column, t_step, BLOCK: tl.constexpr
):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = rows < m
    label = tl.load(target + rows * t_step, inside, 0)
    hit = tl.load(x + rows * x_row + label * x_column, inside, 0).to(tl.float32)
    largest, total = tl.load(stats + rows * 2, inside, 0), tl.load(stats + rows * 2 + 1, inside, 1)
    tl.store(loss + rows, tl.log(total) - (hit - largest), inside)
    place = dx + rows * n + label
    tl.store(place, tl.load(place, inside) - 1, inside)


def probabilities(x):
    m, n = x.shape
    stats = torch.empty((m, 2), dtype=torch.float32, device=x.device)
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    row_statistics[(PROGRAMS,)](x, stats, m, n, *x.stride(), BLOCK=2048)
    from_statistics[(m, triton.cdiv(n, 8192))](x, stats, y, m, n, *x.stride(), BLOCK=8192)
    return stats, y


def softmax(x):
    return probabilities(x)[1]


@triton.jit
def weighted_rows(g, p, dots, n, g0, g1, p0, p1, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    total = tl.zeros([BLOCK], tl.float32)
    for first in range(0, n, BLOCK):
        c = first + tl.arange(0, BLOCK)
        total += tl.load(g + row * g0 + c * g1, c < n, 0) * tl.load(p + row * p0 + c * p1, c < n, 0)
    tl.store(dots + row, tl.sum(total, 0))


@triton.jit
def centred(g, p, dots, dx, n, g0, g1, p0, p1, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    c = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inner = tl.load(g + row * g0 + c * g1, c < n) - tl.load(dots + row)
    tl.store(dx + row * n + c, inner * tl.load(p + row * p0 + c * p1, c < n), c < n)


def softmax_backward(grad_output, probs):
    m, n = probs.shape
    dots = torch.empty(m, dtype=torch.float32, device=probs.device)
    dx = torch.empty((m, n), dtype=probs.dtype, device=probs.device)
    strides = (*grad_output.stride(), *probs.stride())
    weighted_rows[(m,)](grad_output, probs, dots, n, *strides, BLOCK=1024)
    centred[(m, triton.cdiv(n, 4096))](grad_output, probs, dots, dx, n, *strides, BLOCK=4096)
    return dx


@triton.jit
def split_product(a, b, c, m, n, k, a0, a1, b0, b1, SPLIT: tl.constexpr, B: tl.constexpr):
    """Each program takes a part of the inner dimension, and adds its share to the result."""
    tile, part = tl.program_id(0), tl.program_id(1)
    i = tile // tl.cdiv(n, B) * B + tl.arange(0, B)
    j = tile % tl.cdiv(n, B) * B + tl.arange(0, B)
    share = tl.cdiv(tl.cdiv(k, B), SPLIT)
    total = tl.zeros([B, B], tl.float32)
    for step in range(part * share, min((part + 1) * share, tl.cdiv(k, B))):
        r = step * B + tl.arange(0, B)
        left = tl.load(a + i[:, None] * a0 + r * a1, (i[:, None] < m) & (r < k), 0)
        right = tl.load(b + r[:, None] * b0 + j * b1, (r[:, None] < k) & (j < n), 0)
        total = tl.dot(left, right, acc=total, input_precision="ieee")
    tl.atomic_add(c + i[:, None] * n + j, total, (i[:, None] < m) & (j < n))


def matmul(a, b):
    (m, k), (_, n) = a.shape, b.shape
    c = torch.zeros((m, n), dtype=torch.float32, device=a.device)
    tiles = triton.cdiv(m, 64) * triton.cdiv(n, 64)
    split_product[tiles, 2](a, b, c, m, n, k, *a.stride(), *b.stride(), SPLIT=2, B=64)
    return c.to(a.dtype)


def matmul_backward(grad_output, a, b):
    products = [(grad_output, b.permute(1, 0)), (a.T, grad_output)]
    return tuple(functools.reduce(matmul, pair) for pair in products)


def cross_entropy(logits, target):
    m, n = logits.shape
    stats, dx = probabilities(logits)
    loss = torch.empty(m, dtype=torch.float32, device=logits.device)
    subtract_targets[(triton.cdiv(m, 64),)](
        stats, logits, target, loss, dx, m, n, *logits.stride(), *target.stride(), BLOCK=64
    )
    return loss, dx


@triton.jit
def fused(p, g, m, v, out, n, lr, b1, b2, eps, wd, root1, root2, BLOCK: tl.constexpr):
    for first in range(tl.program_id(0) * BLOCK, n, tl.num_programs(0) * BLOCK):
        i = first + tl.arange(0, BLOCK)
        old, slope = tl.load(p + i, i < n), tl.load(g + i, i < n)
        m_ = tl.load(m + i, i < n)
        m_ += (slope - m_) * (1 - b1)
        v_ = tl.load(v + i, i < n) * b2 + slope * slope * (1 - b2)
        new = old * (1 - lr * wd) - lr / root1 * m_ / (tl.sqrt(v_) / root2 + eps)
        tl.store(out + i, new, i < n)
        tl.store(out + n + i, m_, i < n)
        tl.store(out + 2 * n + i, v_, i < n)


def adamw_update(param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
    out = torch.empty((3, *param.shape), dtype=param.dtype, device=param.device)
    root1, root2 = 1 - betas[0] ** step, (1 - betas[1] ** step) ** 0.5
    fused[(PROGRAMS,)](
        *flat(param, grad, exp_avg, exp_avg_sq), out, param.numel(), lr, *betas, eps, weight_decay,
        root1, root2, BLOCK=1024,
    )  # fmt: skip
    return out.unbind()
