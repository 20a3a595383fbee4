"""The table of speeds for `gpu.py`: each function of a8_kernels beside torch's, at many sizes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch.nn import functional

__all__ = ["table"]

COPY_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Scale:
    """Which sizes: those that figures are made of, or tiny ones that try the code."""

    rows: Sequence[tuple[int, int]]
    vocabularies: Sequence[tuple[int, int]]
    parameters: Sequence[int]
    products: Sequence[tuple[int, int, int]]


FULL = Scale(
    rows=((4096, 1024), (8192, 4096), (8192, 16384), (5000, 3001)),
    vocabularies=((8192, 1000), (4096, 32000), (2048, 50257), (1024, 131072)),
    parameters=(1 << 20, 1 << 25, 100_000_007),
    products=(
        (1024, 1024, 1024), (2048, 2048, 2048), (4096, 4096, 4096), (8192, 8192, 8192),
        (8192, 1024, 4096), (4097, 4095, 4096), (3000, 5000, 1000),
    ),
)  # fmt: skip
TINY = Scale(
    rows=((4, 60),), vocabularies=((2, 300),), parameters=(1000,), products=((32, 40, 48),)
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: a call, torch's way to do the same, and what it moves or computes."""

    name: str
    size: str
    dtype: torch.dtype
    arguments: tuple[Any, ...]
    torchs: Callable[..., object]
    bytes: float = 0.0
    flops: float = 0.0


def table(
    kernels: ModuleType, dtypes: Sequence[torch.dtype], device: str, *, tiny: bool
) -> list[tuple[str, ...]]:
    """The rows of the table, its head first; times are medians."""
    measure = once if tiny else median
    big = torch.empty(COPY_BYTES >> (14 if tiny else 0), dtype=torch.uint8, device=device)
    bandwidth = 2 * big.numel() / measure(big.clone)  # bytes per millisecond
    del big
    head = ("function", "size", "dtype", "ours", "torch", "× torch", "achieved", "of a copy")
    rows = [head]
    for line in lines(TINY if tiny else FULL, dtypes, device):
        function = getattr(kernels, line.name)
        ours = measure(lambda f=function, a=line.arguments: f(*a))
        other = measure(lambda f=line.torchs, a=line.arguments: f(*a))
        achieved = f"{line.bytes / ours / 1e6:.0f} GB/s"
        share = f"{line.bytes / ours / bandwidth:.2f}"
        if line.flops:
            achieved, share = f"{line.flops / ours / 1e9:.0f} TFLOP/s", "–"
        times = (f"{1000 * ours:.1f} µs", f"{1000 * other:.1f} µs", f"{other / ours:.2f}")
        name = str(line.dtype).removeprefix("torch.")
        rows.append((f"`{line.name}`", line.size, name, *times, achieved, share))
    return [*rows, ("a copy", "1 GiB", "", "", "", "", f"{bandwidth / 1e6:.0f} GB/s", "1.00")]


def median(work: Callable[[], object]) -> float:
    """The median time of a call in milliseconds, by CUDA events; first calls compile and tune."""
    from triton.testing import do_bench

    work()
    return float(do_bench(work, warmup=50, rep=200, return_mode="median"))


def once(work: Callable[[], object]) -> float:
    """The time of a single call, in milliseconds: to try the code with, no figure."""
    work()
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def lines(scale: Scale, dtypes: Sequence[torch.dtype], device: str) -> Iterator[Line]:
    """Every line, one after the other, so that its tensors can be freed before the next."""

    def draw(*shape: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.randn(shape, device=device, dtype=dtype)

    for dtype in dtypes:
        for m, n in scale.rows:
            x, g, b = draw(m, n, dtype=dtype), draw(m, n, dtype=dtype), draw(n, dtype=dtype)
            probs = torch.softmax(x, -1)
            size, each = f"{m} × {n}", m * n * dtype.itemsize
            yield Line("bias_gelu", size, dtype, (x, b), torch_bias_gelu, bytes=2 * each)
            yield Line("bias_gelu_backward", size, dtype, (g, x, b), torch_slope, bytes=3 * each)
            yield Line("softmax", size, dtype, (x,), torch_softmax, bytes=2 * each)
            yield Line("softmax_backward", size, dtype, (g, probs), torch_pull, bytes=3 * each)
        for m, n in scale.vocabularies:
            given = (draw(m, n, dtype=dtype), torch.randint(n, (m,), device=device))
            moved = 2 * m * n * dtype.itemsize
            yield Line("cross_entropy", f"{m} × {n}", dtype, given, torch_losses, bytes=moved)
        for m, k, n in scale.products:
            pair = (draw(m, k, dtype=dtype), draw(k, n, dtype=dtype))
            size = f"{m} × {k} × {n}"
            yield Line("matmul", size, dtype, pair, torch.matmul, flops=2 * m * k * n)
    for numel in scale.parameters:
        tensors = [draw(numel, dtype=torch.float32) for _ in range(3)]
        squares = torch.rand(numel, device=device)
        step = (*tensors, squares, 3, 1e-3, (0.9, 0.999), 1e-8, 0.01)
        size = f"{numel:,} elements"
        yield Line("adamw_update", size, torch.float32, step, torch_adamw, bytes=28 * numel)


# --- torch's way ----------------------------------------------------------------------------------


def torch_bias_gelu(x: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return functional.gelu(x + b)


def torch_slope(g: torch.Tensor, x: torch.Tensor, b: torch.Tensor) -> object:
    grad = torch.ops.aten.gelu_backward(g, x + b)
    return grad, grad.sum(0)


def torch_softmax(x: torch.Tensor) -> torch.Tensor:
    return torch.softmax(x, -1)


def torch_pull(g: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
    return torch._softmax_backward_data(g, probs, -1, probs.dtype)


def torch_losses(logits: torch.Tensor, target: torch.Tensor) -> object:
    leaf = logits.detach().requires_grad_()
    loss = functional.cross_entropy(leaf, target, reduction="none")
    return torch.autograd.grad(loss, leaf, torch.ones_like(loss))


def torch_adamw(
    param: torch.Tensor, grad: torch.Tensor, exp_avg: torch.Tensor, exp_avg_sq: torch.Tensor,
    step: int, lr: float, betas: tuple[float, float], eps: float, weight_decay: float,
) -> None:  # fmt: skip
    """The fused step, in place: it moves as much as ours does."""
    torch._fused_adamw_(
        [param], [grad], [exp_avg], [exp_avg_sq], [], [step_of(param, step)], lr=lr,
        beta1=betas[0], beta2=betas[1], weight_decay=weight_decay, eps=eps, amsgrad=False,
        maximize=False,
    )  # fmt: skip


def step_of(param: torch.Tensor, step: int) -> torch.Tensor:
    return torch.full((), float(step), device=param.device)
