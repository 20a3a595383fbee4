"""Two runs on one store exclude each other; a dead one excludes nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from autograder.errors import InputError
from autograder.regrade.lock import StoreLock

HOLD = (
    "import sys, time; from pathlib import Path\n"
    "from autograder.regrade.lock import StoreLock\n"
    "with StoreLock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def holder(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "grades.db")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_second_run_is_told_who_holds_the_store(tmp_path, holder):
    with pytest.raises(InputError) as refused, StoreLock(tmp_path / "grades.db"):
        pass
    line = str(refused.value)
    assert "grades.db: another run is writing to it" in line
    assert f"process {holder.pid} of " in line
    assert "since 20" in line
    assert "\n" not in line


def test_a_killed_holder_blocks_nobody(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with StoreLock(tmp_path / "grades.db"):
        assert (tmp_path / "grades.db.lock").exists()
    assert not (tmp_path / "grades.db.lock").exists()


def test_a_lock_file_without_a_holder_is_taken_over(tmp_path):
    (tmp_path / "grades.db.lock").write_text('{"pid": 1}')
    with StoreLock(tmp_path / "grades.db"):
        pass


def test_a_holder_that_left_no_name_is_still_a_holder(tmp_path, holder):
    (tmp_path / "grades.db.lock").write_text("")
    with (
        pytest.raises(InputError, match="which one isn't known"),
        StoreLock(tmp_path / "grades.db"),
    ):
        pass


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"can't be locked .*choose another --store"):
        StoreLock(tmp_path / "nowhere" / "grades.db").__enter__()


def test_a_run_can_follow_another_in_one_process(tmp_path):
    for _ in range(2):
        with StoreLock(tmp_path / "grades.db"):
            pass
