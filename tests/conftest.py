"""Shared fixtures: repeatable hypothesis, one course, one warm grader for all that need it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from autograder.assignment import Assignment, load_assignment
from autograder.course import Course, find_course

# The same examples on every run and every machine; what fails here fails there.
hypothesis.settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture
def no_hang() -> Iterator[None]:
    """Ends a test that would never end; how long one takes is a matter for benchmarks/."""

    def stop(number: int, frame: object) -> None:
        raise AssertionError("it hangs")

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


@pytest.fixture(scope="session")
def course() -> Course:
    """The checkout's own course."""
    return find_course(Path(__file__).parent)


@pytest.fixture(scope="session")
def operators(course: Course) -> Assignment:
    """The assignment that most tests use."""
    return load_assignment(course, "a1_operators")


@pytest.fixture(scope="session")
def grader(operators: Assignment) -> Iterator["Grader"]:  # noqa: F821, UP037 (imports torch)
    """A warm grader of a1_operators."""
    from autograder.grade import Grader

    with Grader(operators) as warm:
        yield warm
