"""Time limits on a machine that grants less than a core."""

from __future__ import annotations

import pytest

from autograder.config import Limits
from autograder.platforms.host import cores_granted, scaled

LIMITS = Limits(
    import_seconds=20, call_seconds=4, exercise_seconds=12, total_seconds=120, memory_mib=512
)


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": ""}, None),
        ({}, None),
    ],
)
def test_the_quota_in_both_versions_of_cgroups(tmp_path, files, cores):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cores_granted(tmp_path) == cores


def test_half_a_core_gets_twice_the_time_for_one_call():
    half = scaled(LIMITS, 0.5, 570)
    assert (half.import_seconds, half.call_seconds) == (40, 8)
    # These are charged without the time in which the machine made us wait.
    assert (half.exercise_seconds, half.total_seconds) == (12, 120)
    assert half.memory_mib == 512


@pytest.mark.parametrize("cores", [None, 1.0, 8.0])
def test_a_core_or_more_changes_nothing(cores):
    assert scaled(LIMITS, cores, 570) == LIMITS


def test_a_hopeless_machine_is_not_waited_for():
    assert scaled(LIMITS, 0.01, 570).call_seconds == 16


def test_the_whole_submission_ends_before_the_run_does():
    assert scaled(LIMITS, 0.25, 100).total_seconds == 80
