"""The reports on results that the grader really made, of the example cohort."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from autograder.course import Course
from autograder.regrade.gradebook import Grade, Gradebook, Person
from autograder.reports.exports import FORMATS, export
from autograder.reports.html import render
from autograder.reports.statistics import describe
from autograder.reports.summary import step_summary
from autograder.result import Result
from autograder.submission import read_submission

CHOSEN = {
    "submission_104": "Carl Gauss",
    "submission_107": "George Boole",
}


@pytest.fixture(scope="module")
def real(grader, operators, course: Course) -> Gradebook:
    """A misconception and a syntax error, graded now."""
    config = operators.config
    grades = []
    for name, student in CHOSEN.items():
        folder = course.root / "examples" / "cohort" / config.id / name
        made = grader.grade(read_submission(folder, config.files, max_bytes=1_000_000))
        made = Result.from_json(json.loads(json.dumps(made.to_json())))
        grades.append(Grade(name, (Person(student),), made, score=made.score))
    now = datetime(2026, 10, 20, 8, 0, tzinfo=UTC)
    exercises = tuple((e.id, e.title, e.points) for e in config.exercises)
    return Gradebook(
        config.id, config.title, config.max_score, exercises,
        tuple(sorted(grades, key=lambda grade: grade.name)), 1, now, now,
        dict(grades[0].result.versions),
    )  # fmt: skip


def test_the_exercises_of_each_row_add_up_to_its_score(real):
    rows = list(csv.DictReader(io.StringIO(export(real, "csv", None))))
    assert [row["name"] for row in rows] == sorted(CHOSEN.values())
    for row in rows:
        parts = [float(row[id_]) for id_, _, _ in real.exercises]
        assert sum(parts) == pytest.approx(float(row["raw_score"]), abs=0.005)
    scores = {row["name"]: (row["score"], row["status"]) for row in rows}
    assert scores["Carl Gauss"][1] == "graded"
    assert 80 < float(scores["Carl Gauss"][0]) < 90
    assert scores["George Boole"] == ("0", "rejected")


def test_every_format_takes_it(real, tmp_path):
    for form in FORMATS:
        if form == "parquet":
            pytest.importorskip("pyarrow", reason="needs the extra: parquet")
        if not form.startswith("moodle"):  # which goes by what these people don't have
            export(real, form, tmp_path / form)
            assert (tmp_path / form).stat().st_size > 100


def test_the_misconception_is_named_with_its_hint(real):
    ideas = {idea.id: idea for idea in describe(real).ideas}
    assert "keeps_one_grad_w_per_batch" in ideas
    page = render(real)
    assert "keeps one grad w per batch" in page
    assert "Fold the leading dimensions into rows first." in page
    assert "keeps one grad w per batch" in step_summary(real).replace("\\", "")
