"""The plainest way: a program per row, atomics, and updates in place of copies."""

import torch
import triton
import triton.language as tl


@triton.jit
def gelu_rows(x_ptr, b_ptr, y_ptr, n, x_row, x_col, b_col, BLOCK: tl.constexpr):
    row = tl.program_id(axis=0)
    for start in range(0, n, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        mask = cols < n
        z = tl.load(x_ptr + row * x_row + cols * x_col, mask=mask)
        z = z + tl.load(b_ptr + cols * b_col, mask=mask)
        out = z * 0.5 * (1 + tl.math.erf(z * 0.70710678))
        tl.store(y_ptr + row * n + cols, out, mask=mask)


@triton.jit
def gelu_rows_backward(
    g_ptr, x_ptr, b_ptr, dx_ptr, db_ptr, n, g_row, g_col, x_row, x_col, b_col, BLOCK: tl.constexpr
):
    row = tl.program_id(axis=0)
    for start in range(0, n, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        mask = cols < n
        z = tl.load(x_ptr + row * x_row + cols * x_col, mask=mask, other=0.0)
        z += tl.load(b_ptr + cols * b_col, mask=mask, other=0.0)
        cdf = 0.5 * (1 + tl.math.erf(z * 0.70710678))
        pdf = tl.exp(-z * z / 2) * 0.39894228
        d = tl.load(g_ptr + row * g_row + cols * g_col, mask=mask, other=0.0) * (cdf + z * pdf)
        tl.store(dx_ptr + row * n + cols, d, mask=mask)
        tl.atomic_add(db_ptr + cols, d, mask=mask)


def bias_gelu(x, b):
    m, n = x.shape
    y = torch.empty(m, n, device=x.device, dtype=x.dtype)
    gelu_rows[(m,)](x, b, y, n, x.stride(0), x.stride(1), b.stride(0), BLOCK=1024)
    return y


def bias_gelu_backward(grad_output, x, b):
    m, n = x.shape
    dx = x.new_empty(m, n)
    db = torch.zeros(n, device=x.device, dtype=torch.float32)
    gelu_rows_backward[(m,)](
        grad_output, x, b, dx, db, n, *grad_output.stride(), *x.stride(), *b.stride(), BLOCK=512
    )
    return dx, db.to(b.dtype)


@triton.jit
def softmax_row(x_ptr, y_ptr, n, x_row, x_col, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    x = tl.load(x_ptr + row * x_row + cols * x_col, mask=cols < n, other=-float("inf"))
    tl.store(y_ptr + row * n + cols, tl.softmax(x), mask=cols < n)


@triton.jit
def softmax_row_backward(g_ptr, p_ptr, dx_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    cols = tl.arange(0, BLOCK)
    g = tl.load(g_ptr + row * n + cols, mask=cols < n, other=0)
    p = tl.load(p_ptr + row * n + cols, mask=cols < n, other=0)
    tl.store(dx_ptr + row * n + cols, p * (g - tl.sum(p * g)), mask=cols < n)


def softmax(x):
    m, n = x.shape
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    softmax_row[(m,)](x, y, n, x.stride(0), x.stride(1), BLOCK=triton.next_power_of_2(n))
    return y


def softmax_backward(grad_output, probs):
    grad_output, probs = grad_output.contiguous(), probs.contiguous()
    m, n = probs.shape
    dx = torch.empty_like(probs)
    softmax_row_backward[(m,)](grad_output, probs, dx, n, BLOCK=triton.next_power_of_2(n))
    return dx


@triton.jit
def dot_blocks(
    a_ptr, b_ptr, c_ptr, m, n, k, am, ak, bk, bn, cm, cn,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr,
):  # fmt: skip
    i = tl.program_id(0) * BM + tl.arange(0, BM)
    j = tl.program_id(1) * BN + tl.arange(0, BN)
    acc = tl.zeros((BM, BN), dtype=tl.float32)
    for s in range(tl.cdiv(k, BK)):
        r = s * BK + tl.arange(0, BK)
        a_mask = (i[:, None] < m) & (r[None, :] < k)
        b_mask = (r[:, None] < k) & (j[None, :] < n)
        a = tl.load(a_ptr + i[:, None] * am + r[None, :] * ak, mask=a_mask, other=0.0)
        b = tl.load(b_ptr + r[:, None] * bk + j[None, :] * bn, mask=b_mask, other=0.0)
        acc += tl.dot(a, b, input_precision="ieee")
    mask = (i[:, None] < m) & (j[None, :] < n)
    tl.store(c_ptr + i[:, None] * cm + j[None, :] * cn, acc, mask=mask)


def matmul(a, b):
    m, k = a.shape
    n = b.shape[1]
    c = torch.zeros((m, n), device=a.device, dtype=a.dtype)
    grid = lambda meta: (triton.cdiv(m, meta["BM"]), triton.cdiv(n, meta["BN"]))  # noqa: E731
    dot_blocks[grid](a, b, c, m, n, k, *a.stride(), *b.stride(), *c.stride(), BM=32, BN=32, BK=32)
    return c


def matmul_backward(grad_output, a, b):
    return matmul(grad_output, b.transpose(0, 1)), matmul(a.mT, grad_output)


@triton.jit
def losses(x_ptr, t_ptr, loss_ptr, dx_ptr, n, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    target = tl.load(t_ptr + row)
    top = -float("inf")
    total = 0.0
    for start in range(0, n, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * n + cols, mask=cols < n, other=-float("inf"))
        higher = tl.maximum(top, tl.max(x, 0))
        total = total * tl.exp(top - higher) + tl.sum(tl.exp(x - higher), 0)
        top = higher
    for start in range(0, n, BLOCK):
        cols = start + tl.arange(0, BLOCK)
        x = tl.load(x_ptr + row * n + cols, mask=cols < n)
        d = tl.exp(x - top) / total
        tl.store(dx_ptr + row * n + cols, tl.where(cols == target, d - 1, d), mask=cols < n)
    tl.store(loss_ptr + row, tl.log(total) + top - tl.load(x_ptr + row * n + target))


def cross_entropy(logits, target):
    logits, target = logits.contiguous(), target.contiguous()
    m, n = logits.shape
    loss = torch.empty(m, dtype=torch.float32, device=logits.device)
    dx = torch.empty_like(logits)
    losses[(m,)](logits, target, loss, dx, n, BLOCK=4096)
    return loss, dx


@triton.jit
def adamw_in_place(
    p_ptr, g_ptr, m_ptr, v_ptr, n, lr, beta1, beta2, eps, decay, c1, c2, BLOCK: tl.constexpr
):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n
    p = tl.load(p_ptr + at, mask=mask)
    g = tl.load(g_ptr + at, mask=mask)
    m = beta1 * tl.load(m_ptr + at, mask=mask) + (1 - beta1) * g
    v = beta2 * tl.load(v_ptr + at, mask=mask) + (1 - beta2) * g * g
    p = p - lr * decay * p
    p = p - lr * (m / c1) / (tl.sqrt(v / c2) + eps)
    tl.store(p_ptr + at, p, mask=mask)
    tl.store(m_ptr + at, m, mask=mask)
    tl.store(v_ptr + at, v, mask=mask)


def adamw_update(param, grad, exp_avg, exp_avg_sq, step, lr, betas, eps, weight_decay):
    def copy(tensor):
        return tensor.clone(memory_format=torch.contiguous_format)

    p, m, v = copy(param), copy(exp_avg), copy(exp_avg_sq)
    b1, b2 = betas
    n = p.numel()
    adamw_in_place[(triton.cdiv(n, 256),)](
        p, grad.contiguous(), m, v, n, lr, b1, b2, eps, weight_decay, 1 - b1**step, 1 - b2**step,
        BLOCK=256,
    )  # fmt: skip
    return p, m, v
