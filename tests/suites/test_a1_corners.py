"""Mistakes in one corner of a1's contract, which generated cases meet only by luck."""

from __future__ import annotations

from pathlib import Path

import pytest

MISTAKES = {
    "batched_matmul/batched_matmul.missing_and_stretched": """
_exact = batched_matmul_backward

def batched_matmul_backward(grad_output, a, b):
    grads = _exact(grad_output, a, b)
    lacks = a.ndim < b.ndim and a.shape[:-2] != b.shape[-a.ndim : -2]
    return (grads[0] / 3 if lacks else grads[0]), grads[1]
""",
    "bias/bias.leaves_inputs_alone": """
def add_bias(x, b):
    return x + b if x.is_contiguous() or 0 in x.stride() else x.add_(b)
""",
    "activations/exp.beyond_float32": """
def exp(x):
    return x.clamp(max=88.0).exp()
""",
    "activations/log.extreme": """
def log(x):
    return x.clamp(min=1e-7).log()
""",
    "power/power.high_powers": """
def power(x, k):
    return x ** min(k, 4)
""",
    "reductions/reduce_max.ties": """
_exact = reduce_max_backward

def reduce_max_backward(grad_output, x, dim=None, keepdim=False):
    return _exact(grad_output, torch.round(x), dim, keepdim)
""",
    "einsum/einsum.nothing_left": """
_exact = einsum_backward

def einsum_backward(grad_output, equation, a, b):
    grad_a, grad_b = _exact(grad_output, equation, a, b)
    return (grad_a / 2 if equation == "i,j->" else grad_a), grad_b
""",
}


@pytest.mark.parametrize("check", MISTAKES)
def test_a_mistake_in_one_corner_is_found(bench_for, check):
    a1 = bench_for("a1_operators")
    solution = Path(a1.solution.__file__).read_text(encoding="utf-8")
    module = a1.module_from(solution + MISTAKES[check])
    assert check in a1.failures(module, check.split("/")[0])
