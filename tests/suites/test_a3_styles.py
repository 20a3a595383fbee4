"""Every honest way of computing gets full marks in a3; loops over positions, all but for speed.

The files in a3/ are such ways. Speed is a matter of the clock, which no test of ours may depend on:
here the clock is made up, and what is tested is that the answers count, and what the clock does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from autograder.outcome import Failure
from autograder.student import InProcess, Reply

STYLES = sorted((Path(__file__).parent / "a3").glob("*.py"))
EXERCISES = ("im2col", "col2im", "conv2d", "max_pool", "avg_pool")


class Stopwatch:
    """A module whose calls take as long as a function of the module's name for them says."""

    def __init__(self, module: ModuleType, seconds: Callable[[str, Mapping[str, Any]], float]):
        self._calls = InProcess(module)
        self._seconds = seconds

    def call(self, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Reply:
        reply = self._calls.call(function, args, kwargs)
        return replace(reply, seconds=self._seconds(function, kwargs))


@pytest.fixture
def a3(bench_for):
    return bench_for("a3_convolution")


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("exercise", EXERCISES)
def test_every_honest_style_gets_full_marks(a3, path, exercise):
    module = a3.module(path)
    if exercise not in a3.exercises_of(module):
        pytest.skip(f"{path.stem} has no way of its own for {exercise}")
    assert a3.failures(a3.completed(module), exercise) == {}


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_fast_and_right_answers_pass_the_speed_checks(a3, path):
    if path.stem == "positions":
        pytest.skip("takes seconds")
    module = a3.completed(a3.module(path))
    assert a3.failures(Stopwatch(module, lambda *_: 1e-9), "speed") == {}


def test_slow_answers_are_told_that_they_loop_over_positions(a3):
    slow = Stopwatch(a3.solution, lambda *_: 10.0)
    failures = a3.failures(slow, "speed")
    assert [failure.misconception for failure in failures.values()] == [
        "im2col_window_by_window",
        "col2im_window_by_window",
        "conv2d_window_by_window",
    ]
    for failure in failures.values():
        assert "× the time of a loop over output positions" in failure.rationale
        assert failure.rationale.endswith("full points at a third of it")
        assert failure.actual == "10000.0 ms"


def test_a_loop_that_only_strided_calls_take_is_slow_too(a3):
    def seconds(_, settings):
        return 10.0 if settings["stride"] != (1, 1) else 1e-9

    failures = a3.failures(Stopwatch(a3.solution, seconds), "speed")
    assert len(failures) == 3
    for failure in failures.values():
        assert "with stride, padding and dilation" in failure.rationale


def test_a_wrong_answer_earns_nothing_for_being_fast(a3):
    source = Path(a3.solution.__file__).read_text(encoding="utf-8")
    # Right on the small images that come first, wrong on those that are timed.
    cheat = (
        "\n\n_honest = im2col\n\n\ndef im2col(x, *args, **kwargs):\n"
        "    cols = _honest(x, *args, **kwargs)\n"
        "    return cols if x.numel() < 1000 else torch.zeros_like(cols)\n"
    )
    failures = a3.failures(Stopwatch(a3.module_from(source + cheat), lambda *_: 1e-9), "speed")
    (failure,) = failures.values()
    assert isinstance(failure, Failure)
    assert failure.rationale.startswith("`im2col` is wrong in ")


def test_the_loops_that_speed_is_measured_against_are_right(a3):
    suite = a3.suite_module("test_speed")
    generator = torch.Generator().manual_seed(0)
    for scene in suite.SCENES:
        for kind in (suite.TestIm2colSpeed, suite.TestCol2imSpeed, suite.TestConv2dSpeed):
            tensors = kind().inputs(scene, generator)
            torch.testing.assert_close(kind().loop(scene, *tensors), kind().truth(scene, *tensors))
