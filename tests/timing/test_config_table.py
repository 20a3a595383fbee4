"""`[timing]` in a grading config."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.attempt import sandbox_for
from autograder.config import Config, Device, load_config
from autograder.errors import ConfigError
from autograder.timing.verdict import Thresholds

BASE = """
title = "Small"
files = ["small.py"]

[[exercises]]
id = "softmax"
title = "Softmax"
points = 5
functions = ["softmax"]

[[exercises]]
id = "matmul"
title = "Product"
points = 5
functions = ["matmul"]
"""


def loaded(folder: Path, table: str) -> Config:
    path = folder / "small.toml"
    path.write_text(BASE + table)
    return load_config(path)


def test_without_a_table_nothing_is_timed(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").timing is None


def test_an_empty_table_has_the_usual_thresholds_on_a_gpu(tmp_path: Path) -> None:
    timing = loaded(tmp_path, "[timing]").timing
    assert timing is not None
    assert timing.device is Device.CUDA
    assert timing.thresholds_of("softmax") == Thresholds(0.4, 0.8)


def test_an_exercise_states_only_what_differs(tmp_path: Path) -> None:
    timing = loaded(
        tmp_path, '[timing]\ndevice = "cpu"\nzero_at = 0.5\n[timing.matmul]\nfull_at = 0.9\n'
    ).timing
    assert timing is not None
    assert timing.device is Device.CPU
    assert timing.thresholds_of("softmax") == Thresholds(0.5, 0.8)
    assert timing.thresholds_of("matmul") == Thresholds(0.5, 0.9)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[timing]\nfullat = 1", r"\[timing\]: unknown key 'fullat'; did you mean 'full_at'"),
        ("[timing.mtmul]\nfull_at = 1", "unknown key 'mtmul'; there is device, zero_at, full_at"),
        ("[timing.matmul]\nfull = 1", r"\[matmul\]: unknown key 'full'; did you mean 'full_at'"),
        ("[timing]\nzero_at = 0.8", r"zero_at = 0\.8 must be clearly below full_at = 0\.8"),
        ("[timing]\nzero_at = 0.79", "must be clearly below"),  # within the dead band
        ("[timing]\nzero_at = 0", "zero_at must be a positive number"),
        ('[timing]\ndevice = "gpu"', "device = 'gpu' is not one of cuda, cpu"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, table)


@pytest.mark.parametrize(
    ("table", "host", "gpu"),
    [("[timing]", True, True), ("[timing]", False, False), ("", True, False),
     ('[timing]\ndevice = "cpu"', True, False)],
)  # fmt: skip
def test_only_an_assignment_that_is_timed_on_a_gpu_gets_a_sandbox_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, host: bool, gpu: bool
) -> None:
    monkeypatch.setattr("autograder.attempt.has_gpu", lambda: host)
    limits = sandbox_for(loaded(tmp_path, table)).limits
    assert limits.gpu is gpu
    assert limits.scratch is gpu  # a Triton cache of its own for each worker
    assert (limits.reply_mib == 1024) is gpu
