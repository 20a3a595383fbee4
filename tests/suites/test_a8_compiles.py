"""The reference kernels of a8 compile for GPUs, and to the instructions that make them fast.

No GPU is needed for that, and none is used: what runs on one is for `make gpu` to say.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SOLUTION = HERE.parents[1] / "solutions" / "a8_kernels" / "kernels.py"
SHARED_MEMORY = {80: 163 << 10, 90: 227 << 10}
"""Bytes that one program may have (CUDA C++ Programming Guide, technical specifications)."""


@pytest.mark.parametrize(("capability", "dtype"), [(90, "float16"), (80, "float32")])
def test_the_reference_compiles_to_wide_accesses_and_tensor_cores(
    tmp_path: Path, capability: int, dtype: str
) -> None:
    command = [sys.executable, str(HERE / "compile_a8.py"), str(SOLUTION), str(capability), dtype]
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) >= {"bias_gelu", "softmax", "cross_entropy", "adamw"}
    for name, built in found.items():
        assert built["wide_loads"] > 0, name
        assert built["shared"] <= SHARED_MEMORY[capability], name
        # A row of 32,768 numbers just about fits into the registers of 1,024 threads.
        assert built["stack"] <= (64 if name == "cross_entropy" else 0), name
        if name not in ("sum_rows", "matmul"):
            assert built["wide_stores"] > 0, name
    if dtype == "float16":
        assert found["matmul"]["tensor_cores"] > 0
