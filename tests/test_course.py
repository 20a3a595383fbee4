"""Finding a course and the parts of its assignments."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.course import COURSE_VARIABLE, Course, find_course, suggestion
from autograder.errors import CourseError


@pytest.fixture
def small(tmp_path: Path) -> Path:
    (tmp_path / "grading_configs").mkdir()
    for name in ("b2_two", "b1_one"):
        (tmp_path / "grading_configs" / f"{name}.toml").touch()
    return tmp_path


def test_the_nearest_course_upwards_is_found(small, monkeypatch):
    monkeypatch.delenv(COURSE_VARIABLE, raising=False)
    deep = small / "assignments" / "b1_one"
    deep.mkdir(parents=True)
    assert find_course(deep).root == small.resolve()


def test_the_environment_names_a_course(small, monkeypatch, tmp_path):
    monkeypatch.setenv(COURSE_VARIABLE, str(small))
    assert find_course(Path("/")).root == small.resolve()


def test_an_environment_that_names_no_course_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv(COURSE_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(CourseError, match=r"has no grading_configs/; point it at"):
        find_course()


def test_elsewhere_the_checkout_itself_is_the_course(monkeypatch):
    monkeypatch.delenv(COURSE_VARIABLE, raising=False)
    assert "a1_operators" in find_course(Path("/")).assignment_ids


def test_assignments_are_sorted_and_an_unknown_one_gets_a_suggestion(small):
    course = Course(small)
    assert course.assignment_ids == ("b1_one", "b2_two")
    assert course.require("b1_one") == "b1_one"
    with pytest.raises(CourseError, match=r"no assignment 'b1_on' .*did you mean 'b1_one'"):
        course.require("b1_on")
    with pytest.raises(CourseError, match="there is b1_one, b2_two"):
        course.require("zzz")


def test_a_course_may_keep_its_own_suites(small):
    course = Course(small)
    assert course.suite("b1_one").parent.name == "suites"
    own = small / "suites" / "b1_one"
    own.mkdir(parents=True)
    assert course.suite("b1_one") == own


def test_nothing_to_suggest():
    assert suggestion("x", ()) == "there is none"
