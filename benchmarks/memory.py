"""The most memory that all processes of one grade hold together (proportional set size)."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure

ASSIGNMENT = "a1_operators"


def figures(root: Path) -> Iterator[Figure]:
    command = Path(sys.executable).with_name("autograder")
    solution = root / "solutions" / ASSIGNMENT
    grade = subprocess.Popen(
        [command, "grade", solution, "-a", ASSIGNMENT, "--format", "json"],
        stdout=subprocess.DEVNULL, cwd=root,
    )  # fmt: skip
    peak, most = 0.0, 0
    while grade.poll() is None:
        family = _family(grade.pid)
        held = sum(_proportional(pid) for pid in family)
        if held > peak:
            peak, most = held, len(family)
        time.sleep(0.02)
    if grade.returncode:
        raise RuntimeError(f"grade ended with {grade.returncode}")
    yield Figure(
        "peak memory of one grade, all processes", peak, 600.0, unit=" MiB",
        detail=f"{most} processes at the peak",
    )  # fmt: skip


def _family(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, pending = [], [root]
    while pending:
        pid = pending.pop()
        found.append(pid)
        pending.extend(parents.get(pid, ()))
    return found


def _proportional(pid: int) -> float:
    """MiB, with shared pages counted once over all who share them."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    line = next((line for line in text.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1]) / 1024
