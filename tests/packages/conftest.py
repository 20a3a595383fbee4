"""A course of one small assignment, and files to compare with, in tests/golden/packages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.course import Course

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "packages"

CONFIG = """\
title = "Tiny <things>"
files = ["tiny.py"]

[[exercises]]
id = "double"
title = "Double & more"
points = 4
functions = ["double"]

[[exercises]]
id = "half"
title = "Half"
points = 1.5
functions = ["half"]
"""


@pytest.fixture
def tiny(tmp_path: Path) -> Course:
    """A course with its own suite, a solution, and what must never be packed."""
    root = tmp_path / "course"
    files = {
        "grading_configs/a9_tiny.toml": CONFIG,
        "grading_configs/a8_other.toml": CONFIG,
        "suites/a9_tiny/test_tiny.py": "SUITE = 1\n",
        "suites/a9_tiny/__pycache__/test_tiny.pyc": "stale",
        "suites/a9_tiny/.hidden": "an editor's",
        "suites/a8_other/test_other.py": "OTHER = 1\n",
        "solutions/a9_tiny/tiny.py": "def double(x):\n    return 2 * x\n",
        "solutions/a9_tiny/misconceptions.py": "WRONG = 1\n",
        "solutions/a9_tiny/test_public.py": "PUBLIC = 1\n",
        "solutions/a9_tiny/README.md": "# Tiny\n",
        "solutions/a8_other/tiny.py": "OTHER = 1\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Course(root)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compares a text with a file; with GOLDEN=write in the environment it writes the file."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("GOLDEN") == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare
