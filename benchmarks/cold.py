"""One cold `autograder grade` beside a bare `import torch`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, best_of

ASSIGNMENT = "a1_operators"


def figures(root: Path) -> Iterator[Figure]:
    command = Path(sys.executable).with_name("autograder")
    solution = root / "solutions" / ASSIGNMENT

    def bare() -> None:
        subprocess.run([sys.executable, "-c", "import torch"], check=True)

    def grade() -> None:
        subprocess.run(
            [command, "grade", solution, "-a", ASSIGNMENT, "--format", "json"],
            check=True, stdout=subprocess.DEVNULL, cwd=root,
        )  # fmt: skip

    torch_seconds, grade_seconds = best_of(4, bare, grade)
    yield Figure(
        f"cold grade of {ASSIGNMENT} ÷ import torch",
        grade_seconds / torch_seconds,
        4.0,
        detail=f"{grade_seconds:.2f} s ÷ {torch_seconds:.2f} s",
    )
