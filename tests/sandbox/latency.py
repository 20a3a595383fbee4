"""Prints what the sandbox costs on this machine: `python tests/sandbox/latency.py`.

Times are in milliseconds (spawn, load) and microseconds (call); memory in MiB.
"""
# ruff: noqa: T201  (a script that prints)

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from autograder.sandbox import Sandbox

SOURCE = {"operators.py": b"def run(x, y): return x @ y\ndef big(x): return x\n"}


def timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def show(name: str, seconds: list[float], unit: str, scale: float) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    print(f"{name:<24} p50 {cuts[49] * scale:7.1f} {unit}   p99 {cuts[98] * scale:7.1f} {unit}")


def memory(name: str, pid: int) -> None:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
    print(f"{name:<24} PSS {sizes['Pss']:6.0f} MiB   RSS {sizes['Rss']:6.0f} MiB")


def main() -> None:
    with Sandbox() as sandbox:
        print(f"{'first worker':<24} {timed(lambda: sandbox.spawn().close()):11.2f} s")
        spawns, loads = [], []
        for _ in range(60):
            began = time.perf_counter()
            worker = sandbox.spawn()
            spawns.append(time.perf_counter() - began)
            loads.append(timed(lambda w=worker: w.load(SOURCE, "operators", ("run",), timeout=20)))
            worker.close()
        show("spawn", spawns, "ms", 1e3)
        show("load", loads, "ms", 1e3)
        with sandbox.spawn() as worker:
            worker.load(SOURCE, "operators", ("run",), timeout=20)
            x, y = torch.randn(4, 5), torch.randn(5, 6)
            calls = [timed(lambda: worker.call("run", (x, y), {}, timeout=20)) for _ in range(5000)]
            show("call, small tensors", calls, "µs", 1e6)
            big = torch.randn(2_500_000)
            calls = [timed(lambda: worker.call("big", (big,), {}, timeout=20)) for _ in range(20)]
            show("call, 10 MB both ways", calls, "ms", 1e3)
            assert sandbox._zygote is not None
            memory("zygote", sandbox._zygote.pid)
            memory("worker", worker.pid)
            memory("grader", os.getpid())


if __name__ == "__main__":
    main()
