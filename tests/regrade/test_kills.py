"""SIGKILL at random moments: nothing lost, nothing twice, nobody left behind."""

from __future__ import annotations

from tools.kill_regrade import ordeal


def test_killed_runs_end_with_what_an_undisturbed_run_stores(tmp_path):
    found = ordeal(tmp_path, kills=5, seed=3)
    assert found["landed"] == 5
    assert (found["lost"], found["doubled"], found["different"]) == (0, 0, 0)
