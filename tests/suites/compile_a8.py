"""Compiles the reference kernels of a8 to machine code for a GPU that needn't be there.

    TRITON_INTERPRET=0 python compile_a8.py kernels.py 90 float16

Prints, as JSON and per kernel: the bytes of each thread's stack (spilled registers), shared
memory, and how many instructions move 16 bytes at once or multiply in the tensor cores.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from triton.runtime.jit import JITFunction

# What a contiguous tensor of convenient sizes lets Triton assume: it looks at each argument.
MULTIPLES_OF_16 = {"n", "m", "k", "x_row", "g_row", "p_row", "l_row", "a_m", "b_k", "numel"}
ONES = {"x_column", "g_column", "p_column", "l_column", "b_column", "t_row", "a_k", "b_n"}
REALS = {"shrink", "step_size", "beta1", "rest1", "beta2", "rest2", "root", "eps"}
INTEGERS = {"m", "n", "k", "chunk", "numel"} | MULTIPLES_OF_16 | ONES


def load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("kernels", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def jobs(kernels: ModuleType) -> dict[str, tuple[Any, dict[str, Any]]]:
    """What each kernel is launched with, for the rows of a few thousand that models have."""
    largest = max(
        kernels._matmul_kernel.configs, key=lambda c: c.kwargs["BLOCK_M"] * c.kwargs["BLOCK_N"]
    )
    product = {**largest.kwargs, "EVEN_K": True}
    product |= {"num_warps": largest.num_warps, "num_stages": largest.num_stages}
    return {
        "bias_gelu": (kernels._bias_gelu_kernel, kernels._tile(4096, 1024, 4096)),
        "bias_gelu_backward": (kernels._bias_gelu_backward_kernel, kernels._tile(4096, 256, 2048)),
        "sum_rows": (kernels._sum_rows_kernel, {"ROWS": 32, "COLUMNS": 64}),
        "softmax": (kernels._softmax_kernel, kernels._tile(16384, 16384, 2048)),
        "softmax_backward": (
            kernels._softmax_backward_kernel, kernels._tile(16384, 16384, 2048),
        ),
        "cross_entropy": (kernels._cross_entropy_kernel, kernels._tile(32000, 32768, 2048)),
        "long_cross_entropy": (
            kernels._long_cross_entropy_kernel, {"COLUMNS": 16384, "num_warps": 32},
        ),
        "adamw": (kernels._adamw_kernel, {"BLOCK": 1024}),
        "matmul": (kernels._matmul_kernel, product),
    }  # fmt: skip


def compiled(kernel: Any, given: dict[str, Any], capability: int, dtype: str) -> dict[str, int]:
    while not isinstance(kernel, JITFunction):
        kernel = kernel.fn
    options = {k: given[k] for k in ("num_warps", "num_stages") if k in given}
    names = kernel.arg_names
    constants = {name: given[name] for name in names if name in given}
    constants |= {name: 1 for name in names if name in ONES}
    short = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}[dtype]
    special = {"partial": "*fp32", "loss": "*fp32", "target": "*i64"}

    def kind(name: str) -> str:
        if name in constants:
            return "constexpr"
        if name in REALS:
            return "fp32"
        return "i32" if name in INTEGERS else special.get(name, f"*{short}")

    signature = {name: kind(name) for name in names}
    if kernel.__name__ == "_sum_rows_kernel":
        signature["x"] = "*fp32"
    source = ASTSource(
        kernel,
        signature,
        constexprs={(names.index(name),): value for name, value in constants.items()},
        attrs={
            (i,): [["tt.divisibility", 16]]
            for i, name in enumerate(names)
            if signature[name].startswith("*") or name in MULTIPLES_OF_16
        },
    )
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    ptx = built.asm["ptx"]
    return {
        "stack": stack(built.asm["cubin"]),
        "shared": built.metadata.shared,
        "wide_loads": len(re.findall(r"ld\.global[\w.]*\.v4|cp\.async\.cg", ptx)),
        "wide_stores": len(re.findall(r"st\.global[\w.]*\.v4", ptx)),
        "tensor_cores": len(re.findall(r"wgmma\.mma_async|mma\.sync", ptx)),
    }


def stack(cubin: bytes) -> int:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [str(tool), "-res-usage", file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return max(map(int, re.findall(r"STACK:(\d+)", said)))


if __name__ == "__main__":
    path, capability, dtype = sys.argv[1:]
    found = {
        name: compiled(kernel, given, int(capability), dtype)
        for name, (kernel, given) in jobs(load(path)).items()
        if not (dtype == "float32" and name == "matmul")
    }
    sys.stdout.write(json.dumps(found) + "\n")
