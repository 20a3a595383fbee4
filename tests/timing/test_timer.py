"""A whole measurement, on a virtual clock: plan, alone, rounds, disturbance, floor, retry."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from autograder.checks.compare import CheckFailed
from autograder.errors import GraderError
from autograder.sandbox import Sandbox, WorkerLimits
from autograder.sandbox.timed_worker import TimedWorker
from autograder.student import StudentReplyInvalid, StudentTimedOut
from autograder.timing import roofline
from autograder.timing.recipe import recipe_of, uniform
from autograder.timing.roofline import Ceilings, floor_seconds
from autograder.timing.rounds import CHECKPOINTS
from autograder.timing.stand import Stand, missing_device
from autograder.timing.task import Task
from autograder.timing.timer import Timer
from autograder.timing.verdict import Inconclusive, Rival, Thresholds

from .conftest import Cost, VirtualRunner, steady

RECIPE = recipe_of((uniform(3, 4, dtype=torch.float32),))

TWO_MILLISECONDS = steady(0.002)


def compare(arguments: tuple[Any, ...], results: tuple[torch.Tensor, ...]) -> None:
    if not torch.equal(results[0], arguments[0] * 2):
        raise CheckFailed("the result is wrong")


def task(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "function": "double", "baseline": "double", "baselines": b"", "recipe": RECIPE,
        "compare": compare,
    }  # fmt: skip
    return Task(**{**fields, **changes})


class VirtualWorker:
    """A `TimedWorker` on a virtual clock; `costs` are seconds per call, by function."""

    def __init__(
        self,
        costs: dict[str, Callable[[], float]],
        overhead: float = 0.001,
        function: Callable[[torch.Tensor], torch.Tensor] = lambda x: x * 2,
        log: list[str] | None = None,
        name: str = "",
    ) -> None:
        self.costs = costs
        self.overhead = overhead
        self.function = function
        self.log = [] if log is None else log
        self.name = name
        self.runner: VirtualRunner | None = None
        self.calls = 0

    def prepare(self, function: str, recipe: Any, device: str, **options: Any) -> None:
        self.log.append(f"{self.name} prepares")
        self.calls = 1

        def cost() -> float:
            return self.calls * (self.overhead + self.costs[function]())

        works = {"copy": torch.clone, "product": torch.matmul}
        self.runner = VirtualRunner(
            works.get(function, self.function), recipe, count=options["count"], cost=cost,
            overhead=lambda: self.calls * self.overhead,
        )  # fmt: skip

    def time(self, count: int, **options: Any) -> Any:
        assert self.runner is not None
        self.calls = count
        return self.runner.time(count, **options)

    def reveal(self, indices: Any, **options: Any) -> Any:
        assert self.runner is not None
        return self.runner.reveal(indices, **options)

    def close(self) -> None:
        self.log.append(f"{self.name} closes")


@dataclass
class VirtualStand:
    """A `Stand` of virtual workers."""

    make: Callable[[], VirtualWorker]
    log: list[str] = field(default_factory=list)

    def worker(self, source: bytes, function: str, *, timeout: float) -> VirtualWorker:
        worker = self.make()
        worker.log, worker.name = self.log, "trusted"
        return worker


def timer(
    student: Cost,
    *,
    baseline: Cost = TWO_MILLISECONDS,
    ceilings: float = 1e-9,
    function: Callable[[torch.Tensor], torch.Tensor] = lambda x: x * 2,
    trusted_function: Callable[[torch.Tensor], torch.Tensor] = lambda x: x * 2,
    log: list[str] | None = None,
) -> Timer:
    log = [] if log is None else log
    costs = {"double": baseline, "copy": steady(ceilings), "product": steady(ceilings)}
    stand = VirtualStand(lambda: VirtualWorker(costs, function=trusted_function), log)
    return Timer(
        stand,  # type: ignore[arg-type]
        lambda _: VirtualWorker(  # type: ignore[arg-type, return-value]
            {"double": student}, function=function, log=log, name="student"
        ),
        "cpu",
        Thresholds(0.4, 0.8),
        confined=True,
        call_seconds=1.0,
    )


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.6, 4.0])
def test_a_measurement_gives_the_ratio_and_the_time_of_a_call(factor: float) -> None:
    verdict = timer(steady(0.002 * factor)).time(task())
    assert verdict.ratio.value == pytest.approx(1 / factor)
    assert verdict.seconds == pytest.approx(0.002 * factor)


def test_everything_is_closed_and_the_baseline_runs_before_the_student_exists() -> None:
    log: list[str] = []
    timer(steady(0.002), log=log).time(task())
    assert log == [
        "trusted prepares", "trusted prepares", "student prepares", "student closes",
        "trusted closes",
    ]  # fmt: skip


def test_wrong_results_end_it_and_close_everything() -> None:
    log: list[str] = []
    with pytest.raises(CheckFailed, match="the result is wrong"):
        timer(steady(0.002), function=lambda x: x * 3, log=log).time(task())
    assert log[-2:] == ["student closes", "trusted closes"]


def test_a_baseline_that_fails_its_own_check_is_our_fault() -> None:
    with pytest.raises(GraderError, match="baseline `double` fails its own check: the result is"):
        timer(steady(0.002), trusted_function=lambda x: x * 3).time(task())


def torn(chains: float) -> Cost:
    """Rounds at either end of what earns points, for so many chains; then as fast as torch."""
    made = itertools.count()

    def cost() -> float:
        chain = next(made)
        if chain >= chains:
            return 0.002
        return 0.0025 if chain // 3 % 2 else 0.005

    return cost


def test_a_baseline_that_only_moves_bytes_is_not_compared() -> None:
    mover = timer(steady(0.004), trusted_function=torch.clone)
    verdict = mover.time(task(rival=Rival.MEMORY))
    assert verdict.sentence.startswith("0.50 × memory, full marks from 0.80")


def test_a_torn_measurement_is_made_once_more_in_fresh_processes() -> None:
    log: list[str] = []
    verdict = timer(torn(3 * (1 + CHECKPOINTS[-1])), log=log).time(task())
    assert verdict.fraction == 1.0
    assert log.count("student prepares") == log.count("student closes") == 2


def test_twice_torn_is_inconclusive_and_no_score() -> None:
    with pytest.raises(Inconclusive, match="still only known to be between"):
        timer(torn(math.inf)).time(task())


def test_a_baseline_that_is_slow_only_beside_the_submission_is_inconclusive() -> None:
    log: list[str] = []

    def disturbed() -> float:
        return 0.004 if log.count("student prepares") > log.count("student closes") else 0.002

    with pytest.raises(Inconclusive, match=r"without it: something of it disturbs the machine"):
        timer(steady(0.004), baseline=disturbed, log=log).time(task())


def test_a_machine_that_got_slower_for_everyone_is_no_disturbance() -> None:
    log: list[str] = []

    def throttled() -> float:
        return 0.004 if "student prepares" in log else 0.002

    verdict = timer(steady(0.006), baseline=throttled, log=log).time(task())
    assert verdict.ratio.value == pytest.approx(4 / 6)


def test_a_disturbance_that_changes_nothing_is_ignored() -> None:
    log: list[str] = []

    def disturbed() -> float:
        return 0.0025 if log.count("student prepares") > log.count("student closes") else 0.002

    assert timer(steady(0.001), baseline=disturbed, log=log).time(task()).fraction == 1.0


def test_a_time_below_the_roofline_is_a_failed_check() -> None:
    # The machine copies 8 bytes per element of 2¹⁴; the task moves as many in a fiftieth.
    nimble = timer(steady(0.0001), ceilings=0.005)
    with pytest.raises(StudentReplyInvalid, match="less time than this machine needs") as caught:
        nimble.time(task(bytes_moved=8 * 2**14))
    assert caught.value.failure.expected == "at least 1.67e+03 µs"
    assert caught.value.failure.actual == "100 µs"
    assert nimble.time(task()).fraction == 1.0
    honest = timer(steady(0.004), ceilings=0.005)
    assert honest.time(task(bytes_moved=8 * 2**14)).fraction > 0


def test_also_one_below_the_time_of_the_arithmetic() -> None:
    with pytest.raises(StudentReplyInvalid, match="less time than this machine needs"):
        timer(steady(0.0001), ceilings=0.005).time(task(flops=2 * 64**3))


def test_no_time_at_all_is_a_case_for_the_staff() -> None:
    with pytest.raises(Inconclusive, match="took no time that could be told"):
        timer(steady(-0.0005)).time(task())


@pytest.mark.parametrize(
    ("device", "floor"), [("cpu", 4.0 / 3.0), ("cuda", 4.0 / 1.25), ("cuda:1", 3.2)]
)
def test_the_floor_is_the_larger_of_both_terms_less_some_slack(device: str, floor: float) -> None:
    ceilings = Ceilings(bytes_rate=10.0, flops_rate=100.0)
    assert floor_seconds(40.0, 100.0, ceilings, device) == pytest.approx(floor)
    assert floor_seconds(4.0, 400.0, ceilings, device) == pytest.approx(floor)


def test_what_was_not_measured_sets_no_floor() -> None:
    assert floor_seconds(1.0, 1.0, Ceilings(), "cpu") == 0.0


def test_a_machine_without_a_gpu_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert missing_device("cpu") is None
    assert missing_device("cuda") == "no GPU on this machine; it is timed on one that has a GPU"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert missing_device("cuda") is None


# From here on, real workers; nothing is asserted about how long anything takes.

DEVICE = os.environ.get("AUTOGRADER_TIMING_DEVICE", "cpu")  # "cuda" runs them on a GPU
LIMITS = WorkerLimits() if DEVICE == "cpu" else WorkerLimits().on_gpu()

BASELINES = b"import torch\ndef double(x):\n    return x * 2\ndef wrong(x):\n    return x\n"


@pytest.fixture(scope="module")
def stand() -> Any:
    made = Stand(limits=LIMITS)
    yield made
    made.close()


def test_real_workers_measure_ceilings(stand: Stand) -> None:
    worker = stand.worker(roofline.SOURCE, "copy", timeout=20)
    try:
        charges = iter([1.0, 3.0] * 10)  # overhead, work, in turns
        found = roofline.measure(
            worker, 8 * 2**14, 2 * 64**3, torch.float32, DEVICE, lambda elapsed: next(charges),
            timeout=20,
        )  # fmt: skip
    finally:
        worker.close()
    assert found.bytes_rate == pytest.approx(8 * 2**14 / (2.0 / 8))
    assert found.flops_rate == pytest.approx(2 * 64**3 / (2.0 / 8))


def test_a_baseline_that_is_missing_or_broken_is_our_fault(stand: Stand) -> None:
    with pytest.raises(GraderError, match=r"baselines\.py: the baseline `triple` is missing"):
        stand.worker(BASELINES, "triple", timeout=20)
    with pytest.raises(GraderError, match=r"baselines\.py: baselines.py is not valid Python"):
        stand.worker(b"def f(:", "f", timeout=20)


def gram(arguments: tuple[Any, ...], results: tuple[torch.Tensor, ...]) -> None:
    if not torch.allclose(results[0], arguments[0] @ arguments[0].t(), atol=1e-3):
        raise CheckFailed("the result is wrong")


def test_a_whole_measurement_with_real_workers(stand: Stand) -> None:
    source = b"def double(x):\n    return x @ x.t()\n"
    with Sandbox(limits=LIMITS) as sandbox:

        def spawn(function: str) -> TimedWorker:
            worker = sandbox.spawn()
            worker.load({"kernels.py": source}, "kernels", ["double"], timeout=20)
            return TimedWorker(worker)

        clock = Timer(stand, spawn, DEVICE, Thresholds(1e-6, 1e-5), confined=True, call_seconds=10)
        recipe = recipe_of((uniform(100, 1000, dtype=torch.float32),))
        try:
            verdict = clock.time(task(baselines=source, recipe=recipe, compare=gram))
        except Inconclusive:
            pytest.skip("this machine is too busy to time anything")
        assert verdict.fraction == 1.0
        assert verdict.seconds > 0


def test_a_function_that_never_returns_times_out(stand: Stand) -> None:
    with Sandbox(limits=LIMITS) as sandbox:

        def spawn(function: str) -> TimedWorker:
            worker = sandbox.spawn()
            source = b"def double(x):\n    while True: pass\n"
            worker.load({"kernels.py": source}, "kernels", ["double"], timeout=20)
            return TimedWorker(worker)

        clock = Timer(stand, spawn, "cpu", Thresholds(0.4, 0.8), confined=True, call_seconds=0.3)
        with pytest.raises(StudentTimedOut, match=r"gave no answer within 0\.9 s"):
            clock.time(task(baselines=BASELINES))
