"""What goes to another machine, and what stays here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autograder.course import Course
from autograder.errors import CourseError
from autograder.packages.payload import chosen_assignments, payload, write_payload

STAFF = [
    "course/assignment",
    "course/grading_configs/a9_tiny.toml",
    "course/solutions/a9_tiny/misconceptions.py",
    "course/solutions/a9_tiny/tiny.py",
    "course/suites/a9_tiny/test_tiny.py",
]


def test_one_assignment_takes_its_own_files_along_and_no_others(tiny):
    packed = payload(tiny, ["a9_tiny"])
    assert [name for name in packed if name.startswith("course/")] == STAFF
    assert packed["course/assignment"] == b"a9_tiny\n"
    assert b"SUITE" in packed["course/suites/a9_tiny/test_tiny.py"]


def test_the_package_comes_without_suites_and_caches(tiny):
    names = [name for name in payload(tiny, ["a9_tiny"]) if name.startswith("lib/")]
    assert "lib/autograder/grade.py" in names
    assert "lib/autograder/sandbox/__main__.py" in names
    assert not [n for n in names if "/suites/" in n or n.endswith(".pyc") or "__pycache__" in n]


def test_several_assignments_leave_the_choice_open(tiny):
    packed = payload(tiny, chosen_assignments(tiny, "all"))
    assert "course/assignment" not in packed
    assert "course/suites/a8_other/test_other.py" in packed
    assert "course/suites/a9_tiny/test_tiny.py" in packed


def test_ids_with_commas_between_them(tiny):
    assert chosen_assignments(tiny, "a9_tiny, a8_other") == ["a9_tiny", "a8_other"]
    with pytest.raises(CourseError, match="did you mean 'a9_tiny'"):
        chosen_assignments(tiny, "a9_tinny")


def test_an_assignment_without_a_suite_is_refused(tiny):
    for path in (tiny.root / "suites" / "a9_tiny").iterdir():
        if path.is_file():
            path.unlink()
    (tiny.root / "suites" / "a9_tiny" / "__pycache__" / "test_tiny.pyc").unlink()
    (tiny.root / "suites" / "a9_tiny" / "__pycache__").rmdir()
    (tiny.root / "suites" / "a9_tiny").rmdir()
    with pytest.raises(CourseError, match="there is no suite"):
        payload(tiny, ["a9_tiny"])


def test_what_is_laid_out_is_a_course_that_grades(tmp_path: Path, operators):
    """The same digest here and there, so the same cases and the same grades."""
    from autograder.assignment import load_assignment
    from autograder.course import find_course

    here = find_course(Path(__file__).parent)
    write_payload(payload(here, ["a1_operators"]), tmp_path)
    there = load_assignment(Course(tmp_path / "course"), "a1_operators")
    assert there.suite == tmp_path / "course" / "suites" / "a1_operators"
    assert there.digest == operators.digest
    assert [m.id for m in there.misconceptions] == [m.id for m in operators.misconceptions]


def test_the_dockerfile_s_way_to_lay_it_out(tmp_path: Path, tiny):
    command = [sys.executable, "-m", "autograder.packages.payload"]
    done = subprocess.run([*command, "a9_tiny", tmp_path / "x"], cwd=tiny.root)
    assert done.returncode == 0
    assert (tmp_path / "x" / "course" / "assignment").read_text() == "a9_tiny\n"
    bad = subprocess.run([*command, "a7", tmp_path / "y"], cwd=tiny.root, capture_output=True)
    assert bad.returncode == 1
    assert bad.stderr.startswith(b"autograder: no assignment 'a7'")
    assert bad.stderr.count(b"\n") == 1
