"""Every honest way of computing gets full marks in a1. The files in a1/ are such ways."""

from __future__ import annotations

from pathlib import Path

import pytest

STYLES = sorted((Path(__file__).parent / "a1").glob("*.py"))
EXERCISES = (
    "matmul", "batched_matmul", "linear", "bias", "broadcasting", "activations", "power",
    "reductions", "einsum",
)  # fmt: skip


@pytest.fixture
def a1(bench_for):
    return bench_for("a1_operators")


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("exercise", EXERCISES)
def test_every_honest_style_gets_full_marks(a1, path, exercise):
    module = a1.module(path)
    if exercise not in a1.exercises_of(module):
        pytest.skip(f"{path.stem} has no way of its own for {exercise}")
    assert a1.failures(a1.completed(module), exercise) == {}


def test_every_exercise_has_three_styles_or_more(a1):
    counts = dict.fromkeys(a1.exercises, 1)  # the solution's
    for path in STYLES:
        for exercise in a1.exercises_of(a1.module(path)):
            counts[exercise] += 1
    assert set(counts) == set(EXERCISES)
    assert min(counts.values()) >= 3
