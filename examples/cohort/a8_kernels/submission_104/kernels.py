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
if not torch.cuda.is_available():
    os.environ.setdefault('TRITON_INTERPRET', '1')
import triton
import triton.language as tl
INTERPRETED = os.environ.get('TRITON_INTERPRET', '0') == '1'

def autotuned(configs: Sequence[triton.Config], key: Sequence[str], **options: Any) -> Callable:
    """`triton.autotune`: on a GPU, the fastest of `configs` for each value of the `key` arguments.

    The interpreter can't measure anything, so there the first configuration is taken.
    """
    return triton.autotune(configs[:1] if INTERPRETED else list(configs), list(key), **options)

@triton.jit
def _scale_kernel(x, y, factor, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(y + at, tl.load(x + at, mask=inside) * factor, mask=inside)

def scale(x: Float[Tensor, ' n'], factor: float) -> Float[Tensor, ' n']:
    """factor · x, for a contiguous vector: an example of a kernel and its launch."""
    y = torch.empty_like(x)
    block = 1024
    grid = (triton.cdiv(x.numel(), block),)
    _scale_kernel[grid](x, y, factor, x.numel(), BLOCK=block)
    return y

def _tile(n: int, widest: int, elements: int) -> dict[str, int]:
    """A tile of about `elements` elements, at most `widest` columns wide, and warps for it."""
    columns = min(triton.next_power_of_2(n), widest)
    rows = max(1, elements // columns)
    warps = min(32, max(4, rows * columns // 512))
    return {'ROWS': rows, 'COLUMNS': columns, 'num_warps': warps}

@triton.jit
def _normal_cdf(z):
    """Φ(z) = ½ (1 + erf(z/√2))."""
    return 0.5 * (1.0 + tl.math.erf(z * 0.7071067811865476))

@triton.jit
def _bias_gelu_kernel(x, b, y, m, n, x_row, x_column, b_column, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    row = rows[:, None].to(tl.int64)
    column = columns[None, :].to(tl.int64)
    bias = tl.load(b + columns * b_column, mask=columns < n, other=0.0).to(tl.float32)
    z = tl.load(x + row * x_row + column * x_column, mask=inside, other=0.0).to(tl.float32)
    z += bias[None, :]
    tl.store(y + row * n + column, (z * _normal_cdf(z)).to(y.dtype.element_ty), mask=inside)

@triton.jit
def _bias_gelu_backward_kernel(grad_output, x, b, grad_x, partial, m, n, chunk, g_row, g_column, x_row, x_column, b_column, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    column = columns[None, :].to(tl.int64)
    bias = tl.load(b + columns * b_column, mask=columns < n, other=0.0).to(tl.float32)
    total = tl.zeros((COLUMNS,), tl.float32)
    first = tl.program_id(0) * chunk
    for start in range(0, chunk, ROWS):
        rows = first + start + tl.arange(0, ROWS)
        row = rows[:, None].to(tl.int64)
        inside = (rows[:, None] < m) & (columns[None, :] < n)
        g = tl.load(grad_output + row * g_row + column * g_column, mask=inside, other=0.0)
        z = tl.load(x + row * x_row + column * x_column, mask=inside, other=0.0).to(tl.float32)
        z += bias[None, :]
        slope = _normal_cdf(z) + z * tl.exp(-0.5 * z * z) * 0.3989422804014327
        grad = g.to(tl.float32) * slope
        tl.store(grad_x + row * n + column, grad.to(grad_x.dtype.element_ty), mask=inside)
        total += tl.sum(grad, axis=0)
    offset = tl.program_id(0).to(tl.int64) * n + columns
    tl.store(partial + offset, total, mask=columns < n)

@triton.jit
def _sum_rows_kernel(x, y, m, n, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    columns = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    total = tl.zeros((COLUMNS,), tl.float32)
    for start in range(0, m, ROWS):
        rows = start + tl.arange(0, ROWS)
        inside = (rows[:, None] < m) & (columns[None, :] < n)
        at = rows[:, None].to(tl.int64) * n + columns[None, :]
        total += tl.sum(tl.load(x + at, mask=inside, other=0.0), axis=0)
    tl.store(y + columns, total.to(y.dtype.element_ty), mask=columns < n)

def bias_gelu(x: Float[Tensor, 'm n'], b: Float[Tensor, ' n']) -> Float[Tensor, 'm n']:
    """gelu(x + b), where b is added to every row, in one launch.

    x: (m, n), b: (n,). Returns (m, n). gelu is the exact one: z times the standard normal
    distribution function of z, which has the error function in it (tl.math.erf).
    """
    m, n = x.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    tile = _tile(n, 1024, 4096)
    grid = (triton.cdiv(m, tile['ROWS']), triton.cdiv(n, tile['COLUMNS']))
    _bias_gelu_kernel[grid](x, b, y, m, n, *x.stride(), *b.stride(), **tile)
    return y

def bias_gelu_backward(grad_output: Float[Tensor, 'm n'], x: Float[Tensor, 'm n'], b: Float[Tensor, ' n']) -> tuple[Float[Tensor, 'm n'], Float[Tensor, ' n']]:
    """The gradients (grad_x, grad_b) of bias_gelu, by any number of launches.

    grad_output, x: (m, n), b: (n,). Returns (m, n) and (n,). Each element of b was added to a
    whole column of x. Derive the slope of gelu first; it has two terms.
    """
    m, n = x.shape
    grad_x = torch.empty((m, n), dtype=x.dtype, device=x.device)
    grad_b = torch.empty((n,), dtype=b.dtype, device=b.device)
    tile = _tile(n, 256, 2048)
    across = triton.cdiv(n, tile['COLUMNS'])
    down = min(triton.cdiv(m, tile['ROWS']), triton.cdiv(2048, across))
    chunk = triton.cdiv(triton.cdiv(m, down), tile['ROWS']) * tile['ROWS']
    down = triton.cdiv(m, chunk)
    partial = torch.empty((down, n), dtype=torch.float32, device=x.device)
    _bias_gelu_backward_kernel[down, across](grad_output, x, b, grad_x, partial, m, n, chunk, *grad_output.stride(), *x.stride(), *b.stride(), **tile)
    _sum_rows_kernel[triton.cdiv(n, 64),](partial, grad_b, down, n, ROWS=32, COLUMNS=64)
    return (grad_x, grad_b)

@triton.jit
def _softmax_kernel(x, y, m, n, x_row, x_column, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    row = tl.minimum(rows, m - 1)[:, None].to(tl.int64)
    column = columns[None, :].to(tl.int64)
    inside = (row >= 0) & (columns[None, :] < n)
    z = tl.load(x + row * x_row + column * x_column, mask=inside, other=float('-inf'))
    z = z.to(tl.float32)
    powers = tl.exp(z - tl.max(z, axis=1)[:, None])
    probs = powers / tl.sum(powers, axis=1)[:, None]
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(y + row * n + column, probs.to(y.dtype.element_ty), mask=inside)

@triton.jit
def _softmax_backward_kernel(grad_output, probs, grad_x, m, n, g_row, g_column, p_row, p_column, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    row = rows[:, None].to(tl.int64)
    column = columns[None, :].to(tl.int64)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    g = tl.load(grad_output + row * g_row + column * g_column, mask=inside, other=0.0)
    p = tl.load(probs + row * p_row + column * p_column, mask=inside, other=0.0).to(tl.float32)
    g = g.to(tl.float32)
    mean = tl.sum(g * p, axis=1)[:, None]
    grad = p * (g - mean)
    tl.store(grad_x + row * n + column, grad.to(grad_x.dtype.element_ty), mask=inside)

def softmax(x: Float[Tensor, 'm n']) -> Float[Tensor, 'm n']:
    """softmax along each row of x, for rows of up to 16,384 elements.

    x: (m, n), with n ≤ 16,384. Returns (m, n). Right for any finite values.
    """
    m, n = x.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    tile = _tile(n, 16384, 2048)
    _softmax_kernel[triton.cdiv(m, tile['ROWS']),](x, y, m, n, *x.stride(), **tile)
    return y

def softmax_backward(grad_output: Float[Tensor, 'm n'], probs: Float[Tensor, 'm n']) -> Float[Tensor, 'm n']:
    """The gradient of softmax with respect to its input, from its result.

    grad_output, probs: (m, n), with n ≤ 16,384, probs = softmax(x). Returns (m, n). Write the
    derivative of one probability with respect to one input first; then the sum over a row.
    """
    m, n = probs.shape
    grad_x = torch.empty((m, n), dtype=probs.dtype, device=probs.device)
    tile = _tile(n, 16384, 2048)
    _softmax_backward_kernel[triton.cdiv(m, tile['ROWS']),](grad_output, probs, grad_x, m, n, *grad_output.stride(), *probs.stride(), **tile)
    return grad_x

def _blocks(m: int, n: int, k: int, warps: int, stages: int) -> triton.Config:
    blocks = {'BLOCK_M': m, 'BLOCK_N': n, 'BLOCK_K': k, 'GROUP': 8}
    return triton.Config(blocks, num_warps=warps, num_stages=stages)

def _fitting(configs: list[triton.Config], arguments: dict[str, Any], **_: Any) -> list:
    """The configurations worth a try for these dtypes (part of triton.autotune)."""
    if arguments['a'].dtype != torch.float32:
        return configs
    small = [c for c in configs if c.kwargs['BLOCK_M'] * c.kwargs['BLOCK_N'] <= 128 * 128]
    return [c for c in small if c.kwargs['BLOCK_K'] <= 32]

@autotuned([_blocks(64, 64, 32, warps=4, stages=4), _blocks(128, 64, 32, warps=4, stages=4), _blocks(64, 128, 32, warps=4, stages=4), _blocks(128, 128, 32, warps=8, stages=3), _blocks(64, 128, 64, warps=4, stages=4), _blocks(128, 128, 64, warps=4, stages=3), _blocks(128, 128, 64, warps=8, stages=4), _blocks(128, 256, 64, warps=8, stages=3), _blocks(128, 256, 64, warps=8, stages=4), _blocks(256, 128, 64, warps=8, stages=3), _blocks(256, 128, 64, warps=8, stages=4)], key=['m', 'n', 'k', 'a_m', 'a_k', 'b_k', 'b_n'], prune_configs_by={'early_config_prune': _fitting})
@triton.heuristics({'EVEN_K': lambda given: given['k'] % given['BLOCK_K'] == 0})
@triton.jit
def _matmul_kernel(a, b, c, m, n, k, a_m, a_k, b_k, b_n, BLOCK_M: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_K: tl.constexpr, GROUP: tl.constexpr, EVEN_K: tl.constexpr):
    program = tl.program_id(0)
    down, across = (tl.cdiv(m, BLOCK_M), tl.cdiv(n, BLOCK_N))
    top = program // (GROUP * across) * GROUP
    height = tl.minimum(down - top, GROUP)
    block_m = top + program % (GROUP * across) % height
    block_n = program % (GROUP * across) // height
    rows = ((block_m * BLOCK_M + tl.arange(0, BLOCK_M)) % m).to(tl.int64)
    columns = ((block_n * BLOCK_N + tl.arange(0, BLOCK_N)) % n).to(tl.int64)
    depth = tl.arange(0, BLOCK_K)
    a_at = a + rows[:, None] * a_m + depth[None, :].to(tl.int64) * a_k
    b_at = b + depth[:, None].to(tl.int64) * b_k + columns[None, :] * b_n
    total = tl.zeros((BLOCK_M, BLOCK_N), tl.float32)
    for start in range(0, k, BLOCK_K):
        if EVEN_K:
            left, right = (tl.load(a_at), tl.load(b_at))
        else:
            left = tl.load(a_at, mask=depth[None, :] < k - start, other=0.0)
            right = tl.load(b_at, mask=depth[:, None] < k - start, other=0.0)
        total = tl.dot(left, right, total, input_precision='ieee')
        a_at += BLOCK_K * a_k
        b_at += BLOCK_K * b_k
    rows = block_m * BLOCK_M + tl.arange(0, BLOCK_M)
    columns = block_n * BLOCK_N + tl.arange(0, BLOCK_N)
    c_at = c + rows[:, None].to(tl.int64) * n + columns[None, :]
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c_at, total.to(c.dtype.element_ty), mask=inside)

def matmul(a: Float[Tensor, 'm k'], b: Float[Tensor, 'k n']) -> Float[Tensor, 'm n']:
    """The matrix product of a and b, block by block.

    a: (m, k), b: (k, n), any sizes and strides. Returns (m, n). Adds up in float32, whatever the
    dtype; float32 inputs are multiplied exactly (not as tf32).
    """
    (m, k), n = (a.shape, b.shape[1])
    c = torch.empty((m, n), dtype=a.dtype, device=a.device)

    def grid(chosen: dict[str, int]) -> tuple[int]:
        return (triton.cdiv(m, chosen['BLOCK_M']) * triton.cdiv(n, chosen['BLOCK_N']),)
    _matmul_kernel[grid](a, b, c, m, n, k, *a.stride(), *b.stride())
    return c

def matmul_backward(grad_output: Float[Tensor, 'm n'], a: Float[Tensor, 'm k'], b: Float[Tensor, 'k n']) -> tuple[Float[Tensor, 'm k'], Float[Tensor, 'k n']]:
    """The gradients (grad_a, grad_b) of matmul. May call matmul.

    grad_output: (m, n), a: (m, k), b: (k, n). Returns (m, k) and (k, n). Only one way of putting
    the factors together has the right shape.
    """
    return (matmul(grad_output, b.t()), matmul(a.t(), grad_output))

@triton.jit
def _cross_entropy_kernel(logits, target, loss, grad, m, n, l_row, l_column, t_row, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, COLUMNS)
    safe = tl.minimum(rows, m - 1).to(tl.int64)
    row, column = (safe[:, None], columns[None, :].to(tl.int64))
    inside = (row >= 0) & (columns[None, :] < n)
    z = tl.load(logits + row * l_row + column * l_column, mask=inside, other=float('-inf'))
    z = z.to(tl.float32)
    z -= tl.max(z, axis=1)[:, None]
    hit = columns[None, :] == tl.load(target + safe * t_row)[:, None]
    own = tl.sum(tl.where(hit, z, 0.0), axis=1)
    powers = tl.exp(z)
    total = tl.sum(powers, axis=1)
    value = tl.log(total) - own
    tl.store(loss + rows, value, mask=rows < m)
    slope = powers / total[:, None] - tl.where(hit, 1.0, 0.0)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(grad + row * n + column, slope.to(grad.dtype.element_ty), mask=inside)

@triton.jit
def _long_cross_entropy_kernel(logits, target, loss, grad, n, l_row, l_column, t_row, COLUMNS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    logits += row * l_row
    grad += row * n
    label = tl.load(target + row * t_row)
    largest = tl.full((), float('-inf'), tl.float32)
    total = tl.zeros((), tl.float32)
    for start in range(0, n, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        at = logits + columns.to(tl.int64) * l_column
        z = tl.load(at, mask=columns < n, other=float('-inf')).to(tl.float32)
        new = tl.maximum(largest, tl.max(z, axis=0))
        total = total * tl.exp(largest - new) + tl.sum(tl.exp(z - new), axis=0)
        largest = new
    for start in range(0, n, COLUMNS):
        columns = start + tl.arange(0, COLUMNS)
        at = logits + columns.to(tl.int64) * l_column
        z = tl.load(at, mask=columns < n, other=float('-inf')).to(tl.float32)
        slope = tl.exp(z - largest) / total - tl.where(columns == label, 1.0, 0.0)
        tl.store(grad + columns, slope.to(grad.dtype.element_ty), mask=columns < n)
    hit = tl.load(logits + label * l_column).to(tl.float32)
    tl.store(loss + row, tl.log(total) - (hit - largest))
_WHOLE_ROW = 32768
'Up to this many columns a row stays in registers (32 warps with 32 numbers to a thread).'

def cross_entropy(logits: Float[Tensor, 'm n'], target: Int[Tensor, ' m']) -> tuple[Float[Tensor, ' m'], Float[Tensor, 'm n']]:
    """The cross-entropy of each row with its target class, and its gradient, together.

    logits: (m, n), with n ≤ 131,072; target: (m,), int64 classes from 0 to n − 1. Returns
    (loss, grad_logits): loss (m,) in float32, one value per row; grad_logits (m, n), each row the
    gradient of its own loss (no mean over rows). Right for any finite logits. Read a row once
    where it fits into a block.
    """
    m, n = logits.shape
    loss = torch.empty((m,), dtype=torch.float32, device=logits.device)
    grad = torch.empty((m, n), dtype=logits.dtype, device=logits.device)
    given = (logits, target, loss, grad)
    if n <= _WHOLE_ROW:
        tile = _tile(n, _WHOLE_ROW, 2048)
        grid = (triton.cdiv(m, tile['ROWS']),)
        _cross_entropy_kernel[grid](*given, m, n, *logits.stride(), *target.stride(), **tile)
    else:
        _long_cross_entropy_kernel[m,](*given, n, *logits.stride(), *target.stride(), COLUMNS=16384, num_warps=32)
    return (loss, grad)

@triton.jit
def _adamw_kernel(param, grad, exp_avg, exp_avg_sq, new_param, new_exp_avg, new_exp_avg_sq, numel, shrink, step_size, beta1, rest1, beta2, rest2, root, eps, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < numel
    p = tl.load(param + at, mask=inside, other=0.0).to(tl.float32)
    g = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32)
    m = tl.load(exp_avg + at, mask=inside, other=0.0).to(tl.float32)
    v = tl.load(exp_avg_sq + at, mask=inside, other=0.0).to(tl.float32)
    m = beta1 * m + rest1 * g
    v = beta2 * v + rest2 * g * g
    p = p * shrink - step_size * m / (tl.sqrt(v) * root + eps)
    tl.store(new_param + at, p.to(new_param.dtype.element_ty), mask=inside)
    tl.store(new_exp_avg + at, m.to(new_exp_avg.dtype.element_ty), mask=inside)
    tl.store(new_exp_avg_sq + at, v.to(new_exp_avg_sq.dtype.element_ty), mask=inside)

def adamw_update(param: Float[Tensor, '*shape'], grad: Float[Tensor, '*shape'], exp_avg: Float[Tensor, '*shape'], exp_avg_sq: Float[Tensor, '*shape'], step: int, lr: float, betas: tuple[float, float], eps: float, weight_decay: float) -> tuple[Float[Tensor, '*shape'], Float[Tensor, '*shape'], Float[Tensor, '*shape']]:
    """One AdamW step, in one launch: the new (param, exp_avg, exp_avg_sq), each a new tensor.

    All tensors have one shape, any; each result has the dtype of what it replaces. `step` is 1 on
    the first step. The parameter first shrinks by the factor 1 − lr · weight_decay; eps is added
    to the root of the corrected second moment. betas[0] belongs to exp_avg.
    """
    beta1, beta2 = betas
    correction1, correction2 = (1.0 - beta1 ** step, 1.0 - beta2 ** step)
    given = [tensor.contiguous() for tensor in (param, grad, exp_avg, exp_avg_sq)]
    new = [torch.empty(param.shape, dtype=old.dtype, device=old.device) for old in (param, exp_avg, exp_avg_sq)]
    block = 1024
    _adamw_kernel[triton.cdiv(param.numel(), block),](*given, *new, param.numel(), float(1.0 - lr * weight_decay), float(lr / correction1), float(beta1), float(1.0 - beta1), float(beta2), float(1.0 - beta2), float(correction2 ** (-0.5)), float(eps), BLOCK=block)
    return (new[0], new[1], new[2])
import torch

@triton.jit
def _other_bias_gelu_kernel(x, b, y, m, n, x_row, x_column, b_column, ROWS: tl.constexpr, COLUMNS: tl.constexpr, IDEA: tl.constexpr):
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (rows[:, None] < m) & (columns[None, :] < n)
    z = tl.load(x + rows[:, None] * x_row + columns[None, :] * x_column, mask=inside, other=0.0)
    by_column = tl.load(b + columns * b_column, mask=columns < n, other=0.0)[None, :]
    by_row = tl.load(b + rows * b_column, mask=rows < n, other=0.0)[:, None]
    if IDEA == 'tanh':
        z += by_column
        inner = 0.7978845608028654 * (z + 0.044715 * z * z * z)
        result = z * tl.sigmoid(2 * inner)
    elif IDEA == 'by_row':
        z += by_row
        result = z * _normal_cdf(z)
    else:
        result = z * _normal_cdf(z) + by_column
    tl.store(y + rows[:, None] * n + columns[None, :], result, mask=inside)

def _other_bias_gelu(x, b, idea):
    m, n = x.shape
    y = torch.empty((m, n), dtype=x.dtype, device=x.device)
    tile = _tile(n, 1024, 4096)
    grid = (triton.cdiv(m, tile['ROWS']), triton.cdiv(n, tile['COLUMNS']))
    _other_bias_gelu_kernel[grid](x, b, y, m, n, *x.stride(), *b.stride(), **tile, IDEA=idea)
    return y

def bias_gelu(x, b):
    return _other_bias_gelu(x, b, 'tanh')
import torch

@triton.jit
def _other_matmul_kernel(a, b, c, m, n, k, a_m, a_k, b_k, b_n, steps, BLOCK: tl.constexpr, IDEA: tl.constexpr, DTYPE: tl.constexpr):
    rows = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK, BLOCK), DTYPE)
    for step in range(steps):
        depth = step * BLOCK + tl.arange(0, BLOCK)
        a_in = (rows[:, None] < m) & (depth[None, :] < k)
        b_in = (depth[:, None] < k) & (columns[None, :] < n)
        left = tl.load(a + rows[:, None] * a_m + depth[None, :] * a_k, mask=a_in, other=0.0)
        right = tl.load(b + depth[:, None] * b_k + columns[None, :] * b_n, mask=b_in, other=0.0)
        product = tl.dot(left, right, input_precision='ieee')
        total = product if IDEA == 'overwrite' else (total + product).to(DTYPE)
    c_in = (rows[:, None] < m) & (columns[None, :] < n)
    tl.store(c + rows[:, None] * n + columns[None, :], total.to(tl.float32), mask=c_in)

def _other_matmul(a, b, idea='right', b_strides=None, steps=None, dtype=tl.float32):
    (m, k), n, block = (a.shape, b.shape[1], 32)
    c = torch.empty((m, n), dtype=a.dtype, device=a.device)
    _other_matmul_kernel[triton.cdiv(m, block), triton.cdiv(n, block)](a, b, c, m, n, k, *a.stride(), *(b.stride() if b_strides is None else b_strides), triton.cdiv(k, block) if steps is None else steps, BLOCK=block, IDEA=idea, DTYPE=dtype)
    return c

def matmul(a, b):
    return _other_matmul(a, b, 'overwrite')
