"""`validate`: a good small course is clean, and every way of being unfair is named."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from autograder.course import Course
from autograder.handouts import make_handout
from autograder.selfcheck import Validation, validate_assignment

CONFIG = """
title = "Small"
files = ["small.py"]

[policy]
rules = ["no-autodiff", "no-evasion"]

[[exercises]]
id = "double"
title = "Doubling"
points = 6
functions = ["double"]

[[exercises]]
id = "shift"
title = "Shifting"
points = 4
functions = ["shift"]
"""

SOLUTION = '''"""Two small functions."""

import torch


def double(x: torch.Tensor) -> torch.Tensor:
    """Twice x."""
    # BEGIN SOLUTION
    return 2 * x
    # END SOLUTION


def shift(x: torch.Tensor) -> torch.Tensor:
    """One more than x."""
    # BEGIN SOLUTION
    return x + 1
    # END SOLUTION
'''

MISCONCEPTIONS = '''"""Wrong ideas."""

from autograder.misconceptions import misconception


@misconception("double", replaces="double", hint="Squaring is not doubling: try it with three.")
def squares(x):
    return x * x


@misconception("double", replaces="double", hint="Adding two is not doubling: try it with three.")
def adds_two(x):
    return x + 2


@misconception("double", replaces="double", hint="You halve, which is the opposite of doubling.")
def halves(x):
    return x / 2


@misconception("shift", replaces="shift", hint="You subtract one: look at the direction again.")
def goes_down(x):
    return x - 1


@misconception("shift", replaces="shift", hint="You shift by two: once for each end, perhaps?")
def goes_twice(x):
    return x + 2


@misconception("shift", replaces="shift", hint="You return x as it came: where is the shift?")
def stays(x):
    return 1 * x
'''

SUITE = '''"""The small suite."""

from autograder.checks import FunctionChecks, arguments, exercise, tensors


@exercise("double")
class TestDouble(FunctionChecks):
    function = "double"
    cases = arguments(x=tensors("*shape n"))

    def oracle(self, x):
        return 2 * x


@exercise("shift")
class TestShift(FunctionChecks):
    function = "shift"
    cases = arguments(x=tensors("*shape n"))

    def oracle(self, x):
        return x + 1
'''

README = "# Small\n\n## `double` Doubling\n\nDouble it.\n\n## `shift` Shifting\n\nShift it.\n"
PUBLIC = "import small\nimport torch\n\n\ndef test_double():\n    assert small.double(2) == 4\n"


@pytest.fixture
def course(tmp_path: Path) -> Course:
    files = {
        "grading_configs/a9_small.toml": CONFIG,
        "solutions/a9_small/small.py": SOLUTION,
        "solutions/a9_small/misconceptions.py": MISCONCEPTIONS,
        "solutions/a9_small/README.md": README,
        "solutions/a9_small/test_public.py": PUBLIC,
        "suites/a9_small/test_small.py": SUITE,
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    made = Course(tmp_path)
    make_handout(made, "a9_small")
    return made


def edit(course: Course, name: str, old: str, new: str) -> None:
    path = course.root / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def validate(course: Course) -> Validation:
    return validate_assignment(course, "a9_small", seeds=1, jobs=1)


def test_a_good_course_is_clean_and_its_matrix_is_printed(course):
    validation = validate(course)
    assert validation.clean, validation.to_json()["problems"]
    data = json.loads(json.dumps(validation.to_json()))
    kinds = [candidate["kind"] for candidate in data["candidates"]]
    assert kinds == ["solution", "stub", *["trivial"] * 6, *["misconception"] * 6]
    squares = next(c for c in data["candidates"] if c["name"] == "squares")
    assert list(squares["lost"]) == ["double"]
    console = Console(file=StringIO(), width=120)
    with console.capture() as captured:
        console.print(validation.render())
    text = captured.get()
    assert "kill matrix" in text
    assert "misconception: goes_down" in text
    assert "a9_small: clean, 14 candidates behave" in text


FAULTS = [
    # (file, old, new, the problem that validation must name)
    ("solutions/a9_small/misconceptions.py", "return x * x", "return x + x", "squares: is not caught"),
    ("solutions/a9_small/misconceptions.py", "def goes_down(x):\n    return x - 1", "def goes_down(x):\n    return x + 2", "goes_twice: its own hint is never shown (the hint of goes_down"),
    ("solutions/a9_small/misconceptions.py", '@misconception("shift", replaces="shift", hint="You return', '@misconception("double", replaces="double", hint="You return', "shift: 2 misconceptions, 3 are the least"),
    ("solutions/a9_small/README.md", "## `shift` Shifting", "## Shifting", "no section “## `shift`”"),
    ("suites/a9_small/test_small.py", "def oracle(self, x):\n        return x + 1", "def oracle(self, x):\n        return x + 1\n\n    def test_anything(self, student):\n        student.shift(__import__('torch').ones(1))", "it earns points in shift"),
]  # fmt: skip


def test_every_fault_of_a_course_is_named(course):
    for name, old, new, _ in FAULTS:
        edit(course, name, old, new)
    make_handout(course, "a9_small")
    edit(course, "assignments/a9_small/small.py", "Twice x.", "Thrice x.")
    (course.solution("a9_small") / "old_notes.txt").touch()
    (course.suite("a9_small") / "helpers.py").touch()
    validation = validate(course)
    problems = validation.to_json()["problems"]
    assert not validation.clean
    wanted = [fault[3] for fault in FAULTS]
    wanted += ["small.py:7: differs from what the solution gives"]
    wanted += ["old_notes.txt: belongs to nothing", "helpers.py: is not part of a suite"]
    for problem in wanted:
        assert any(problem in line for line in problems), (problem, problems)


def test_a_wrong_solution_is_named(course):
    edit(course, "solutions/a9_small/small.py", "return 2 * x", "return 3 * x")
    make_handout(course, "a9_small")
    problems = validate(course).to_json()["problems"]
    assert any("solution seed 0: scores 4.0 of 10" in line for line in problems)
