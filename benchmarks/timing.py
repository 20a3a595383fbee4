"""The timing protocol against the clock on the wall: ratios, honest repeats, attacks.

`python -m benchmarks.timing` prints the tables; it takes some minutes. Everything runs on CPU
tensors in real workers. A kernel that is k times slower does the same work k times.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from autograder.checks.compare import CheckFailed, assert_close
from autograder.sandbox import Sandbox
from autograder.sandbox.timed_worker import TimedWorker
from autograder.student import StudentFault
from autograder.timing.recipe import recipe_of, uniform
from autograder.timing.stand import Stand
from autograder.timing.task import Task
from autograder.timing.timer import Timer
from autograder.timing.verdict import Inconclusive, Thresholds, Verdict
from benchmarks.figure import Figure

SIZE = 128
SINES = 16
GOALS = Thresholds(0.4, 0.8)

KERNEL = f"""
import torch
_sin = torch.sin

def once(x):
    for _ in range({SINES}):
        x = _sin(x)
    return x
"""
BASELINE = (KERNEL + "def f(x):\n    return once(x)\n").encode()

# Each would be (nearly) free if the clock believed it, and is right where it can be.
ATTACKS = {
    "stops Python's clocks": """
import time
time.perf_counter = time.monotonic = time.process_time = time.time = lambda: 0.0
def f(x):
    return once(x)
""",
    "halves its work over two threads": """
import threading
def f(x):
    parts = [None, None]
    def work(i):
        parts[i] = once(x[i::2])
    threads = [threading.Thread(target=work, args=(i,)) for i in (0, 1)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    out = torch.empty_like(x)
    out[0::2], out[1::2] = parts
    return out
""",
    "asks torch for eight threads": """
torch.set_num_threads(8)
def f(x):
    return once(x)
""",
    "remembers results by content": """
known = {}
def f(x):
    key = bytes(x.numpy())
    if key not in known:
        known[key] = once(x)
    return known[key]
""",
    "hogs the machine between its turns": """
import threading
def spin():
    x = torch.ones(1 << 20)
    while True:
        x.mul_(1.0)
threading.Thread(target=spin, daemon=True).start()
def f(x):
    return once(x)
""",
    "skips one call in eight": """
count = 0
def f(x):
    global count
    count += 1
    return once(x) if count % 8 else x
""",
    "replays its last answer": """
last = None
def f(x):
    global last
    last = once(x) if last is None else last
    return last
""",
    "commits to garbage, shows the truth": """
import sys
given = []
def f(x):
    frame = sys._getframe(1)
    if frame.f_code.co_name != "_time":
        return once(x)
    given.append(x)
    stopwatch = frame.f_locals["self"]
    def reveal(indices):
        stopwatch._copies = [(once(x),) for x in given]
        given.clear()
        return type(stopwatch)._reveal(stopwatch, indices)
    stopwatch._reveal = reveal
    return x
""",
}


@dataclass
class Bench:
    """Verdicts on sources of `f`, in real workers."""

    sandbox: Sandbox
    stand: Stand
    _task: Task = field(init=False)

    def __post_init__(self) -> None:
        recipe = recipe_of((uniform(SIZE, SIZE, dtype=torch.float32, low=-2, high=2),))
        self._task = Task("f", "f", BASELINE, recipe, _compare)

    def verdict(self, source: str, thresholds: Thresholds = GOALS) -> Verdict:
        """The verdict on one source. Raises as `Timer.time` does."""

        def spawn(function: str) -> TimedWorker:
            worker = self.sandbox.spawn()
            worker.load({"kernels.py": source.encode()}, "kernels", [function], timeout=30)
            return TimedWorker(worker)

        timer = Timer(self.stand, spawn, "cpu", thresholds, confined=True, call_seconds=10)
        return timer.time(self._task)


def slower(times: int) -> str:
    """The kernel, `times` times."""
    return KERNEL + f"def f(x):\n    for _ in range({times}):\n        y = once(x)\n    return y\n"


def figures(root: Path, repeats: int = 10) -> Iterator[Figure]:
    """The worst error of a ratio, and how often an honest kernel lost a point."""
    with _bench() as bench:
        errors = []
        for times in (1, 2, 4):
            for _ in range(3):
                ratio = _settled(lambda times=times: bench.verdict(slower(times))).ratio.value
                errors.append(abs(ratio * times - 1))
        yield Figure(
            "timing: error of the ratio of a kernel 1, 2, 4 × slower", max(errors), 0.1, unit="",
            detail=f"median {statistics.median(errors):.3f} of {len(errors)}",
        )  # fmt: skip
        lost = sum(_honest_loses(bench) for _ in range(repeats))
        yield Figure(
            f"timing: honest kernels that lost points, of {repeats}", lost, 0, unit="",
            detail="a kernel as fast as its baseline",
        )  # fmt: skip


def _compare(arguments: tuple[Any, ...], results: tuple[torch.Tensor, ...]) -> None:
    truth = arguments[0].double()
    for _ in range(SINES):
        truth = truth.sin()
    assert_close(results[0], truth, what="`f`", dtype=torch.float32, rtol=1e-5)


def _settled(measure: Callable[[], Verdict]) -> Verdict:
    """A verdict; a machine that is too busy gets a few more chances."""
    for _ in range(4):
        try:
            return measure()
        except Inconclusive as torn:
            print(f"again: {torn}", file=sys.stderr)
    return measure()


def _honest_loses(bench: Bench) -> bool:
    return _settled(lambda: bench.verdict(slower(1))).fraction < 1


class _bench:  # noqa: N801  (a context manager)
    def __enter__(self) -> Bench:
        torch.set_num_threads(1)
        self._sandbox = Sandbox()
        self._stand = Stand()
        return Bench(self._sandbox, self._stand)

    def __exit__(self, *exc: object) -> None:
        self._stand.close()
        self._sandbox.close()


def ratios(bench: Bench, repeats: int) -> Table:
    """Kernels that are k times slower."""
    # Thresholds so wide that every ratio lies between them: nothing ends early.
    wide = Thresholds(0.01, 2.0)
    table = Table("k", "1/k", "median ratio", "least", "most", "within 10 %", "inconclusive")
    for times in (1, 2, 3, 4, 8):
        found: list[float] = []
        torn = 0
        while len(found) < repeats:
            try:
                found.append(bench.verdict(slower(times), wide).ratio.value)
            except Inconclusive:
                torn += 1
        good = sum(abs(ratio * times - 1) <= 0.1 for ratio in found)
        table.add_row(
            str(times), f"{1 / times:.3f}", f"{statistics.median(found):.3f}", f"{min(found):.3f}",
            f"{max(found):.3f}", f"{good} of {repeats}", str(torn),
        )  # fmt: skip
    return table


def honest(bench: Bench, repeats: int) -> Table:
    """The same kernel as the baseline's, again and again."""
    found: list[Verdict] = []
    torn = 0
    began = time.perf_counter()
    while len(found) < repeats:
        try:
            found.append(bench.verdict(slower(1)))
        except Inconclusive:
            torn += 1
    each = (time.perf_counter() - began) / (repeats + torn)
    values = [verdict.ratio.value for verdict in found]
    table = Table("repeats", "lost points", "ratio, least to most", "inconclusive", "s each")
    table.add_row(
        str(repeats), str(sum(verdict.fraction < 1 for verdict in found)),
        f"{min(values):.3f} to {max(values):.3f}", str(torn), f"{each:.1f}",
    )  # fmt: skip
    return table


def attacks(bench: Bench) -> Table:
    """What attacks get, beside the honest kernel's ratio of 1."""
    table = Table("attack", "ended", "ratio", "said")
    for name, code in ATTACKS.items():
        try:
            verdict = _settled(lambda code=code: bench.verdict(KERNEL + code))
            table.add_row(name, "timed", f"{verdict.ratio.value:.2f}", verdict.sentence)
        except Inconclusive as torn:
            table.add_row(name, "to staff", "–", str(torn))
        except (StudentFault, CheckFailed) as fault:
            table.add_row(name, "failed", "–", fault.failure.rationale[:90])
    return table


def main() -> None:
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    console = Console(width=150)
    with _bench() as bench:
        console.print("A kernel k times slower than its baseline", ratios(bench, repeats))
        console.print("An honest kernel", honest(bench, 5 * repeats))
        console.print("Attacks", attacks(bench))


if __name__ == "__main__":
    main()
