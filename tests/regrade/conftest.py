"""A synthetic course, cohorts of it, and runs that need no real grader."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

# Processes started by spawn import the fake grader by its name.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from autograder.assignment import Assignment
from autograder.regrade.batch import Tally
from autograder.regrade.batch import regrade as run_regrade
from autograder.regrade.fingerprint import take_fingerprint
from autograder.regrade.records import Options, Plan, Run
from autograder.regrade.sources import open_source
from autograder.regrade.store import Store
from benchmarks.synthetic import InlineEngine, answer, make_course

PLAIN = Options()


@pytest.fixture
def assignment(tmp_path: Path) -> Assignment:
    """The synthetic assignment, in a course of its own."""
    return make_course(tmp_path / "course")


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    """Five students, of which two handed in the same."""
    folder = tmp_path / "cohort"
    hand_in(folder, "ada", answer(1, 1, 1))
    hand_in(folder, "bob", answer(0.5, 0, 0))
    hand_in(folder, "cyd", answer(1, 0.5, 0))
    hand_in(folder, "dan", answer(0, 0, 0))
    hand_in(folder, "eve", answer(0, 0, 0))
    return folder


def hand_in(cohort: Path, student: str, text: str) -> None:
    """Write a student's submission."""
    (cohort / student).mkdir(parents=True, exist_ok=True)
    (cohort / student / "answer.py").write_text(text)


class Regrade:
    """Runs over a cohort into one store; `components` overrides parts of the fingerprint."""

    def __init__(self, assignment: Assignment, path: Path) -> None:
        self.assignment = assignment
        self.path = path
        self.graded: list[str] = []

    def __call__(
        self,
        cohort: Path,
        *,
        components: Mapping[str, str] = MappingProxyType({}),
        options: Options = PLAIN,
        config: Mapping[str, Any] = MappingProxyType({}),
        make_engine: Callable[[], Any] | None = None,
        **settings: Any,
    ) -> tuple[Run, Tally]:
        made = replace(self.assignment.config, **config)
        fingerprint = replace(take_fingerprint(self.assignment, "none"), **components)
        source = open_source(cohort, made.files, max_bytes=2**16)
        engine = InlineEngine(made)
        plan = Plan(made, fingerprint, str(cohort), options)
        with Store(self.path, write=True) as store:
            ended = run_regrade(store, plan, source, make_engine or (lambda: engine), **settings)
        self.graded = [job.submission.files["answer.py"].decode() for job in engine.jobs]
        return ended


@pytest.fixture
def regrade(assignment: Assignment, tmp_path: Path) -> Regrade:
    """Regrade a cohort into `regrade.path`."""
    return Regrade(assignment, tmp_path / "grades.db")


def scores(path: Path, run: int | None = None) -> dict[str, float | None]:
    """The scores of a run, by submission."""
    with Store(path) as store:
        return {grade.submission: grade.score for grade in store.gradebook(run).grades}


@pytest.fixture(name="scores")
def _scores() -> Callable[..., dict[str, float | None]]:
    return scores


@pytest.fixture(name="hand_in")
def _hand_in() -> Callable[[Path, str, str], None]:
    return hand_in
