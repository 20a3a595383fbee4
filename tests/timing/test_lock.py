"""One measurement at a time per device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from autograder.errors import GraderError
from autograder.timing.lock import exclusive, identity


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive("cuda:0", patience=0, folder=tmp_path):
            pass
    with pytest.raises(RuntimeError), exclusive("cuda:0", patience=0, folder=tmp_path):
        raise RuntimeError
    with exclusive("cuda:0", patience=0, folder=tmp_path):
        pass


def test_a_second_measurement_on_the_same_device_waits_in_vain(tmp_path: Path) -> None:
    with (
        exclusive("cuda:0", folder=tmp_path),
        pytest.raises(GraderError, match=r"cuda:0 was being timed on .* for 0 s"),
        exclusive("cuda:0", patience=0, folder=tmp_path),
    ):
        pass


def test_other_devices_are_not_locked(tmp_path: Path) -> None:
    with (
        exclusive("cuda:0", folder=tmp_path),
        exclusive("cuda:1", patience=0, folder=tmp_path),
        exclusive("cpu", patience=0, folder=tmp_path),
    ):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, signal
from autograder.timing.lock import exclusive
with exclusive("cpu", folder=pathlib.Path({str(tmp_path)!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    with exclusive("cpu", patience=0, folder=tmp_path):
        pass


def test_a_gpu_is_locked_by_what_it_is_and_not_by_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    properties = SimpleNamespace(uuid="GPU-7")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert identity("cuda") == identity("cuda:3") == "cuda-GPU-7"
    assert identity("cpu") == "cpu"


def test_a_link_in_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / f"autograder-{os.getuid()}-cpu.lock").symlink_to(tmp_path / "elsewhere")
    with (
        pytest.raises(GraderError, match="can't lock cpu for timing"),
        exclusive("cpu", folder=tmp_path),
    ):
        pass
    assert not (tmp_path / "elsewhere").exists()
