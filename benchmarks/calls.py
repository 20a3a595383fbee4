"""One call of a worker with small tensors, there and back."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

import torch

from autograder.sandbox import Sandbox
from benchmarks.figure import Figure, seconds_of

SOURCE = b"def matmul(x, w):\n    return x @ w\n"
CALLS = 3000


def figures(root: Path) -> Iterator[Figure]:
    torch.set_num_threads(1)
    x, w = torch.randn(2, 3, 4), torch.randn(4, 5)
    with Sandbox() as sandbox:
        worker = sandbox.spawn()
        worker.load({"operators.py": SOURCE}, "operators", ["matmul"], timeout=20)
        times = [
            seconds_of(lambda: worker.call("matmul", (x, w), {}, timeout=5)) for _ in range(CALLS)
        ]
        spawns = [seconds_of(lambda: sandbox.spawn().close()) for _ in range(20)]
    median = statistics.median(times) * 1e6
    late = statistics.quantiles(times, n=100)[-1] * 1e6
    yield Figure(
        "one worker call with small tensors", median, 250.0, unit=" µs",
        detail=f"median; 99 % within {late:.0f} µs; a worker starts in "
        f"{statistics.median(spawns) * 1e3:.0f} ms",
    )  # fmt: skip
