"""Kernels compute; torch allocates, views and copies. What that means, line by line."""

from __future__ import annotations

import re

import pytest
import torch

from autograder.sandbox.tripwires import Alarm, Forbidden, OperatorWatch

from .conftest import Policy, check_source, course_policy, tripwires

HEAD = """
import os
import torch
import triton
import triton.language as tl

@triton.jit
def kernel(x_ptr, y_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    z = tl.load(x_ptr + at, mask=at < n, other=-float("inf"))
    tl.store(y_ptr + at, tl.exp(z - tl.max(z, 0)) / tl.sum(z), mask=at < n)

"""
PLAIN = """
    y = torch.empty_like(x, memory_format=torch.contiguous_format)
    y = x.new_empty(x.shape, dtype=torch.float32)
    y = torch.zeros((x.shape[0] * 2, n), device=x.device); y[0] = 1
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device); y.fill_(0.0); y.zero_()
    y = x.contiguous().view(-1); y = x.reshape(-1, 4).t(); y = x.mT; y = x.T
    y = x.to(torch.float32); y = x.float(); y = x.half(); y = x.clone()
    y = x[:1].expand(3, n).permute(1, 0).unsqueeze(0).flatten()
    y = torch.cat([x, x]); y = torch.stack([x]); y = x.unbind()
    y = x[0]; y = x[:, 1:3]; y = x[..., None]
    y = x.stride(0) * x.shape[1] + x.numel() // 2 - x.element_size() ** 2
    y = max(1, min(n, triton.next_power_of_2(n))); y = triton.cdiv(n, 16)
    y = kernel[(triton.cdiv(n, 16),)](x, x, n, BLOCK=16, num_warps=4)
    y = torch.cuda.get_device_properties(x.device).multi_processor_count
    y = os.environ.get("TRITON_INTERPRET")
    y = 1 - 0.9 ** n; y = (1 - 0.99 ** n) ** 0.5
    y = triton.autotune(configs=[triton.Config({"BLOCK": 64}, num_warps=2)], key=["n"])(kernel)
    y = triton.heuristics({"BLOCK": lambda given: 64})(kernel)
    y = torch.arange(n, device=x.device); assert x.is_contiguous() and x.dtype == torch.float32
"""
COMPUTING = """
    y = x.sum() => aten::sum
    y = torch.softmax(x, -1) => aten::_softmax
    y = torch.matmul(x, x.t()) => aten::mm
    y = x.exp() => aten::exp
    y = torch.nn.functional.gelu(x) => aten::gelu
    y = x.abs().max() => aten::abs
    y = torch.einsum("ij,kj->ik", x, x) => aten::bmm
    y = x.index_add(0, torch.arange(1), x[:1]) => aten::index_add
    y = torch.where(x.isnan(), x, x) => aten::isnan
    y = torch.addmm(x, x, x) => aten::addmm
    y = torch._foreach_add([x], 1.0) => aten::_foreach_add
    y = x.cumsum(0) => aten::cumsum
    y = torch.optim.AdamW([x]) =>
    y = torch.compile(kernel) =>
    y = x.numpy() =>
    y = x.tolist() =>
    y = triton.compile(kernel) =>
    y = triton.runtime.interpreter.GridExecutor =>
    y = triton.language.zeros((2,), tl.float32).handle =>
"""
HIDDEN = """
    y = x * 2 => aten::mul
    y = x @ x.t() => aten::mm
    y = x - x[0] => aten::sub
    x += 1 => aten::add_
    y = -x => aten::neg
    y = x > 0 => aten::gt
    y = x[0].index_put((torch.zeros(1).long(),), x[0, :1], accumulate=True) => aten::index_put
    y = sum(x) => aten::add
"""


def lines(block: str) -> list[str]:
    return [line.strip() for line in block.strip().splitlines()]


def found_in(body: str) -> str:
    source = f"{HEAD}\ndef f(x, n):\n    {body}\n    return y\n".replace("return y", "return x")
    policy = course_policy("a8_kernels")
    report = check_source(source, "kernels.py", ["f"], policy)
    assert not report.module_level
    return "; ".join(violation.message for violation in report.by_function["f"])


def trips(body: str) -> str | None:
    """The operator that the worker would object to while `body` runs."""
    _, patterns = tripwires(course_policy("a8_kernels"))
    watch = OperatorWatch(patterns, Alarm())
    namespace = {"torch": torch, "x": torch.ones(4, 4), "n": 4}
    code = compile(body, "kernels.py", "exec")
    with torch.no_grad():
        try:
            with watch:
                exec(code, namespace)
        except Forbidden as forbidden:
            return forbidden.name
    return None


@pytest.mark.parametrize("body", lines(PLAIN))
def test_allocating_viewing_copying_and_arithmetic_with_sizes_are_fine(body: str) -> None:
    assert found_in(body) == ""


@pytest.mark.parametrize(
    "body", [b for b in lines(PLAIN) if not re.search("triton|kernel|cuda|os", b)]
)
def test_what_is_fine_trips_nothing_either(body: str) -> None:
    assert trips(body) is None


@pytest.mark.parametrize("line", lines(COMPUTING))
def test_computing_outside_of_kernels_is_found_in_the_source(line: str) -> None:
    body, _, _ = line.partition(" =>")
    assert found_in(body).startswith("kernels.py:")


@pytest.mark.parametrize("line", [line for line in lines(COMPUTING + HIDDEN) if "aten::" in line])
def test_computing_outside_of_kernels_trips_where_it_runs(line: str) -> None:
    body, _, operator = line.partition(" => ")
    assert trips(body) == operator


@pytest.mark.parametrize("line", lines(HIDDEN))
def test_operators_of_tensors_look_like_those_of_sizes_in_the_source(line: str) -> None:
    # So they are left to the worker, and no honest arithmetic with sizes is suspected.
    body, _, _ = line.partition(" =>")
    assert found_in(body) == ""


def test_the_hosts_packages_are_torch_and_triton() -> None:
    source = "import numpy\nimport triton\nimport torch\n\ndef f(x):\n    return x\n"
    report = check_source(source, "kernels.py", ["f"], course_policy("a8_kernels"))
    assert [violation.name for violation in report.module_level] == ["numpy"]


def test_triton_is_imported_before_workers_are_forked_only_where_it_is_needed() -> None:
    def names_triton(policy: Policy) -> bool:
        return any(name.startswith("triton.") for name in tripwires(policy)[0])

    assert names_triton(course_policy("a8_kernels"))
    for other in ("a1_operators", "a2_losses", "a3_convolution", "a4_optimizers"):
        assert not names_triton(course_policy(other))


def test_a_pattern_with_an_exclamation_mark_is_an_exception() -> None:
    x = torch.ones(2)
    with OperatorWatch(("aten::*", "!aten::m[ui]*"), Alarm()):
        assert (x * 2).shape == (2,)
        with pytest.raises(Forbidden, match="aten::add"):
            x + 2
