"""Checks of speed: a function beside torch's own, timed by the protocol of docs/timing.md.

A subclass says what is called with what, and what is right; how it is timed and scored is not its
business. Where nothing can be timed (no GPU, no sandbox) such a check is not run, and is pending.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from gradescope_utils.autograder_utils import decorators

from autograder.checks.compare import CheckFailed, assert_close, assert_form, describe, ordinal
from autograder.outcome import Failure
from autograder.student import Student, StudentRaised
from autograder.timing import TAG
from autograder.timing.recipe import integers, normal, recipe_of, uniform
from autograder.timing.stand import missing_device
from autograder.timing.task import Task
from autograder.timing.verdict import Rival, Verdict

__all__ = ["TimingChecks", "integers", "normal", "uniform"]

_BASELINES = "baselines.py"


class TimingChecks:
    """Times `function` against `baseline`, a function of `baselines.py` beside the suite.

    `sizes` maps a label that students read to what `inputs`, `bytes_moved` and `flops` are called
    with. A subclass with a `function` gets its one test, `test_time`, made for it.
    """

    function = ""
    baseline = ""
    against = "torch"
    """What the baseline stands for: "torch" computes the same; "memory" only moves the same bytes,
    so that its values aren't compared with anything."""
    results: Sequence[str] = ("the result",)
    sizes: Mapping[str, tuple[Any, ...]] = {}
    share = 1.0
    tolerance: Mapping[torch.dtype, float] = {
        torch.float64: 1e-9,
        torch.float32: 2e-5,
        torch.float16: 4e-3,
        torch.bfloat16: 3e-2,
    }
    """How far off a result may be, as a share of the largest natural size in it."""

    test_time: ClassVar[Callable[..., None]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.function and "test_time" not in vars(cls):
            # One function each: a check's weight and leaderboard column are attributes of it.
            cls.test_time = _test_of(cls.function, cls.share, Rival(cls.against))

    def inputs(self, *size: Any) -> tuple[Any, ...]:
        """The positional arguments: `uniform`, `normal`, `integers`, and plain values."""
        raise NotImplementedError

    def oracle(self, *arguments: Any) -> Any:
        """The truth, in any precision above that of the results: a tensor, or a tuple of them."""
        raise NotImplementedError

    def scale(self, *arguments: Any) -> Any:
        """The natural size of each result: a number, a tensor or None, a tuple for several."""
        return None

    def dtypes(self, *arguments: Any) -> Sequence[torch.dtype]:
        """The dtype that each result must have: that of the first tensor, unless overridden."""
        first = next(value for value in arguments if isinstance(value, torch.Tensor))
        return [first.dtype] * len(self.results)

    def bytes_moved(self, *size: Any) -> float:
        """The fewest bytes that a call moves: each input read once, each result written once."""
        return 0.0

    def flops(self, *size: Any) -> float:
        """The fewest floating-point operations of a call."""
        return 0.0

    def compare(self, arguments: tuple[Any, ...], results: tuple[torch.Tensor, ...]) -> None:
        """Demand right results for these arguments. Raises CheckFailed."""
        if len(results) != len(self.results):
            raise CheckFailed(
                Failure(
                    f"`{self.function}` must return ({', '.join(self.results)})",
                    expected=f"{len(self.results)} results",
                    actual=f"{len(results)}: {describe(results)}",
                )
            )
        truths = _tuple(self.oracle(*arguments), len(results))
        scales = _tuple(self.scale(*arguments), len(results))
        dtypes = self.dtypes(*arguments)
        for i, (result, truth, scale) in enumerate(zip(results, truths, scales, strict=True)):
            what = f"`{self.function}`"
            if len(results) > 1:
                what = f"{self.results[i]}, the {ordinal(i)} result of {what},"
            assert_form(result, truth, what=what, dtype=dtypes[i])
            if not dtypes[i].is_floating_point:
                assert_close(result, truth.to(dtypes[i]), what=what)
                continue
            largest = truth.double().abs().max()
            if scale is not None:
                natural = torch.as_tensor(scale, dtype=torch.float64, device=truth.device)
                largest = torch.maximum(largest, natural.abs().max())
            tolerance = self.tolerance[dtypes[i]]
            assert_close(result.double(), truth.double(), what=what, scale=largest, rtol=tolerance)

    def task(self, label: str) -> Task:
        """What is timed for one of the sizes."""
        size = self.sizes[label]
        path = Path(inspect.getfile(type(self))).with_name(_BASELINES)
        return Task(
            function=self.function,
            baseline=self.baseline,
            baselines=path.read_bytes(),
            recipe=recipe_of(self.inputs(*size)),
            compare=self.compare,
            bytes_moved=self.bytes_moved(*size),
            flops=self.flops(*size),
            rival=Rival(self.against),
        )

    def verdicts(self, student: Student) -> dict[str, Verdict]:
        """The verdict for each size; skips the test where nothing can be timed."""
        timer = student.timer
        if timer is None:
            pytest.skip("not run: speed is only measured when the course grades")
        missing = missing_device(timer.device)
        if missing is not None:
            pytest.skip(f"not run: {missing}")
        try:
            return {label: timer.time(self.task(label)) for label in self.sizes}
        except StudentRaised as fault:
            if fault.not_implemented:
                unwritten = Failure(f"`{self.function}` is not implemented yet")
                raise StudentRaised(unwritten, fault.kind) from None
            raise


def _test_of(function: str, share: float, rival: Rival) -> Callable[..., None]:
    """The test of one function. Weight and score are read from its attributes, as everywhere."""

    def test_time(self: TimingChecks, student: Student) -> None:
        verdicts = self.verdicts(student)
        earned = math.fsum(v.fraction for v in verdicts.values()) / len(verdicts)
        ratio = math.exp(
            math.fsum(math.log(v.ratio.value) for v in verdicts.values()) / len(verdicts)
        )
        marked.__score__ = earned * share  # type: ignore[attr-defined]
        marked.__leaderboard_value__ = round(ratio, 2)  # type: ignore[attr-defined]
        if earned < 1:
            raise CheckFailed(_too_slow(function, verdicts, earned))

    beside = "torch's own" if rival is Rival.TORCH else "that of a plain copy of as many bytes"
    test_time.__doc__ = f"`{function}` is fast: its speed beside {beside}"
    marked: Callable[..., None] = test_time
    for decorate in (decorators.weight(share), decorators.tags(TAG)):
        marked = decorate(marked)
    # Not the decorator `leaderboard`: it wraps, and a score set inside the wrapper is lost.
    marked.__leaderboard_column__ = f"{function}: × {rival}"  # type: ignore[attr-defined]
    marked.__leaderboard_sort_order__ = "desc"  # type: ignore[attr-defined]
    return marked


def _too_slow(function: str, verdicts: Mapping[str, Verdict], earned: float) -> Failure:
    label, worst = min(verdicts.items(), key=lambda item: item[1].fraction)
    rationale = f"`{function}` is right but slow: {worst.sentence}"
    if len(verdicts) > 1:
        rationale += f" ({label}, the slowest of {len(verdicts)} sizes)"
    each = "; ".join(
        f"{name}: {1e6 * v.seconds:.4g} µs, {v.ratio.value:.2f} × {v.rival}"
        for name, v in verdicts.items()
    )
    return Failure(
        rationale,
        expected=f"{worst.thresholds.full_at:.2f} × {worst.rival} or more",
        actual=each,
        help=f"This earns {100 * earned:.0f} % of the check's points; the first point is earned "
        f"above {worst.thresholds.zero_at:.2f} × {worst.rival}.",
    )


def _tuple(value: Any, count: int) -> tuple[Any, ...]:
    if isinstance(value, tuple | list):
        return tuple(value)
    return (value,) if count == 1 or value is not None else (None,) * count
