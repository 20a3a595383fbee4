"""Every honest way of computing gets full marks in a2: the files in a2_styles/ are such ways."""

from __future__ import annotations

from pathlib import Path

import pytest

STYLES = sorted((Path(__file__).parent / "a2_styles").glob("*.py"))


@pytest.fixture
def a2(bench_for):
    return bench_for("a2_losses")


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_every_honest_style_gets_full_marks(a2, path):
    module = a2.module(path)
    failures = {exercise: a2.failures(a2.completed(module), exercise) for exercise in a2.exercises}
    assert not any(failures.values()), failures


def test_each_function_is_written_in_at_least_three_styles(a2):
    modules = [a2.module(path) for path in STYLES]
    for name in a2.functions:
        assert sum(hasattr(module, name) for module in modules) >= 3, name
