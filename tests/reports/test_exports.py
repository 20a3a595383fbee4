"""Every format: as its golden file, read back, and safe whatever students write."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.config import Visibility
from autograder.errors import InputError
from autograder.outcome import Failure, Outcome
from autograder.regrade.gradebook import Person
from autograder.reports.delimited import delimited
from autograder.reports.exports import FORMATS, export
from autograder.reports.rows import student_rows
from autograder.result import LEFT_OUT, Result

GOLDEN = Path(__file__).parents[1] / "golden"
TEXTS = [form for form in FORMATS if form != "parquet"]
ENDINGS = {"jsonl": "jsonl", "junit": "xml"}
STUDENTS = 10  # of `book`: nine counting submissions, one of them by two
WITH_SCORE = 8


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def from_moodle(book):
    """The book with Moodle's own numbers for people, but for one of a group."""
    grades = [
        replace(
            grade,
            people=tuple(
                replace(person, sid=f"Participant {1000 + i}") if person.sid else person
                for person in grade.people
            ),
        )
        for i, grade in enumerate(book.grades)
    ]
    return replace(book, grades=tuple(grades))


@pytest.mark.parametrize("form", TEXTS)
def test_is_what_it_was(book, form):
    text = export(from_moodle(book) if form == "moodle-worksheet" else book, form, None)
    path = GOLDEN / f"gradebook_{form}.{ENDINGS.get(form, 'csv')}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "if it's meant: UPDATE_GOLDEN=1 pytest …"


def test_a_file_holds_what_would_be_returned(book, tmp_path):
    book = from_moodle(book)
    for form in TEXTS:
        assert export(book, form, tmp_path / "deep" / form) is None
        assert (tmp_path / "deep" / form).read_bytes().decode() == export(book, form, None)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == sorted(TEXTS)


def test_an_unknown_format_is_refused_with_the_nearest_name(book):
    with pytest.raises(InputError, match=r"no format 'canvass'; did you mean 'canvas'\?"):
        export(book, "canvass", None)


def test_a_place_that_cannot_be_written_is_one_line(book, tmp_path):
    with pytest.raises(InputError, match="is a folder; give the name of a file"):
        export(book, "csv", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written: File exists; choose another"):
        export(book, "csv", tmp_path / "file" / "x.csv")


# --- CSV ---------------------------------------------------------------------------------------


def test_csv_has_a_row_per_student_and_a_column_per_exercise(book):
    rows = rows_of(export(book, "csv", None))
    assert len(rows) == STUDENTS
    by_name = {row["name"]: row for row in rows}
    ada = by_name["Ada Lovelace"]
    assert (ada["score"], ada["matmul"], ada["bias"], ada["previous_score"]) == (
        "10", "6", "4", "9",
    )  # fmt: skip
    late = by_name["Late Larry"]
    assert (late["score"], late["raw_score"], late["days_late"], late["late_factor"]) == (
        "8", "10", "2", "0.8",
    )  # fmt: skip
    assert by_name["Zoë Ångström"]["score"] == by_name["Zhang “Z” Wei, Jr."]["score"] == "7"


def test_our_faults_are_empty_cells_and_never_zeros(book):
    by_name = {row["name"]: row for row in rows_of(export(book, "csv", None))}
    assert by_name["Kurt Gödel"]["score"] == ""
    assert by_name["Kurt Gödel"]["status"] == "grader_error"
    assert by_name["Kurt Gödel"]["bias"] == ""
    unread = by_name["submission_8"]
    assert (unread["score"], unread["status"], unread["note"]) == (
        "", "not_graded", "not a zip file; hand in a zip",
    )  # fmt: skip


def test_an_exercise_that_was_not_asked_for_is_an_empty_cell(making):
    left = [
        making.check(f"bias/{name}", Outcome.NOT_RUN, failure=LEFT_OUT)
        for name in ("forward", "mutation")
    ]
    text = export(making.gradebook(making.grade("s", "Al", making.result(*left))), "csv", None)
    assert rows_of(text)[0]["matmul"] == "6"
    assert rows_of(text)[0]["bias"] == ""


def test_an_exercise_named_like_a_column_gets_a_column_of_its_own(making):
    book = making.gradebook(exercises=(("name", "Names", 1.0), ("bias", "Bias", 4.0)))
    header = export(book, "csv", None).splitlines()[0].split(",")
    assert len(header) == len(set(header))
    assert "exercise name" in header


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1+1",
        "\r=1+1",
        " =1+1",
        "＝1+1",
        "=",
        "-x",
    ],
)
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text):
    (cell,) = next(csv.reader(io.StringIO(delimited([[text]]))))
    assert cell.startswith("'")


@pytest.mark.parametrize(
    "text", ["@00123456", "+4915112345", "-17", "a=b", "x@example.edu", "O'Neil"]
)
def test_what_cannot_run_stays_as_it_is(text):
    assert next(csv.reader(io.StringIO(delimited([[text]])))) == [text]


@given(st.lists(st.lists(st.text(), min_size=2, max_size=4), min_size=1, max_size=5))
def test_any_text_stays_one_cell_of_one_line_and_no_formula(rows):
    text = delimited(rows)
    back = list(csv.reader(io.StringIO(text)))
    assert [len(row) for row in back] == [len(row) for row in rows]
    assert text.count("\n") == len(rows)
    for cell in (cell for row in back for cell in row):
        assert not cell or cell[0] not in "=\t\r＝＋－＠"
        assert not cell or cell[0] not in "+-@" or cell[1:].isdigit()


def test_excel_differs_by_the_mark_that_it_needs(book):
    assert export(book, "excel", None) == "\ufeff" + export(book, "csv", None)


# --- the platforms' gradebooks -----------------------------------------------------------------


def test_canvas_reads_header_points_and_students(book):
    lines = list(csv.reader(io.StringIO(export(book, "canvas", None))))
    header, points, *students = lines
    # What Canvas's importer demands of the first row.
    assert "Student" in header[0]
    assert "ID" in header[1]
    assert header[2:5] == ["SIS User ID", "SIS Login ID", "Section"]
    assert header[5] == "Nine, of course"
    assert "Points Possible" in points[0]
    assert points[5] == "10"
    assert len(students) == WITH_SCORE
    assert {row[5] for row in students} <= {"10", "8", "7", "0"}


def test_no_student_is_taken_for_canvas_row_of_points(book):
    lines = list(csv.reader(io.StringIO(export(book, "canvas", None))))
    assert sum("Points Possible" in row[0] for row in lines) == 1
    assert any(row[0] == "Points-Possible" for row in lines)


@pytest.mark.parametrize("form", ["canvas", "moodle"])
def test_no_score_is_no_row_so_that_nothing_is_erased(book, form):
    text = export(book, form, None)
    assert "Kurt Gödel" not in text
    assert "submission_8" not in text
    assert all(row[-1] != "" for row in csv.reader(io.StringIO(text)))


def test_canvas_own_number_is_not_taken_for_a_student_number(making):
    people = (Person("Al", "Canvas 501"), Person("Bo", "501"), Person("Cy", "Participant 501"))
    text = export(
        making.gradebook(making.grade("s", None, making.result(), people=people)), "canvas", None
    )
    found = {row["Student"]: (row["ID"], row["SIS User ID"]) for row in rows_of(text)[1:]}
    assert found == {"Al": ("501", ""), "Bo": ("", "501"), "Cy": ("", "")}


def test_moodle_never_sees_an_empty_identity(making):
    people = (Person("Al"), Person("Bo", "Participant 7"), Person("Cy", "77"))
    anonymous = making.grade("submission_3", None, making.result(), people=people)
    rows = rows_of(export(making.gradebook(anonymous), "moodle", None))
    unknown = "unknown: submission_3"
    assert [row["Email address"] for row in rows] == [unknown] * 3
    assert [row["ID number"] for row in rows] == [unknown, unknown, "77"]


def test_a_moodle_format_that_could_find_nobody_names_the_other(making):
    book = making.gradebook(making.grade("s", None, making.result(), people=(Person("Al"),)))
    with pytest.raises(InputError, match="take --format moodle-worksheet"):
        export(book, "moodle", None)
    with pytest.raises(InputError, match="take --format moodle, which goes by"):
        export(book, "moodle-worksheet", None)


def test_moodles_worksheet_goes_by_its_identifier(book):
    text = export(from_moodle(book), "moodle-worksheet", None)
    rows = rows_of(text)
    assert len(rows) == WITH_SCORE - 1  # one of the group has no identifier
    assert all(row["Identifier"].startswith("Participant 10") for row in rows)
    # What the importer demands.
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(rows[0])


def test_moodles_feedback_keeps_hidden_checks_to_itself(making):
    hidden = making.check("bias/mutation", visibility=Visibility.HIDDEN)
    rows = rows_of(
        export(making.gradebook(making.grade("s", "Al", making.result(hidden))), "moodle", None)
    )
    assert rows[0]["Feedback"] == "Matrix multiplication 6/6"


def test_gradescopes_columns_are_its_own(book):
    rows = rows_of(export(book, "gradescope", None))
    assert len(rows) == STUDENTS
    by_name = {row["Name"]: row for row in rows}
    ada = by_name["Ada Lovelace"]
    assert ada["Submission Count"] == "2"
    assert ada["1: Matrix multiplication (6.0 pts)"] == "6"
    assert ada["Submission Time"] == "2026-11-18 16:20:00 +0000"
    assert by_name["Late Larry"]["Lateness (H:M:S)"] == "48:00:00"
    assert by_name["Kurt Gödel"]["Status"] == "Ungraded"
    assert by_name["Kurt Gödel"]["Total Score"] == ""


# --- for programs ------------------------------------------------------------------------------


def test_json_lines_hold_every_attempt_whole(book):
    text = export(book, "jsonl", None)
    records = [json.loads(line) for line in text.splitlines()]
    assert len(records) == len(book.grades) == text.count("\n")
    for record, grade in zip(records, book.grades, strict=True):
        assert record["counts"] is grade.counts
        assert [Person(**person) for person in record["people"]] == list(grade.people)
        back = None if record["result"] is None else Result.from_json(record["result"])
        assert back == grade.result


def test_junit_counts_what_it_contains(book):
    root = Tree.fromstring(export(book, "junit", None))
    suites = root.findall("testsuite")
    assert len(suites) == 9
    for tag, key in (
        ("testcase", "tests"), ("failure", "failures"), ("error", "errors"), ("skipped", "skipped"),
    ):  # fmt: skip
        found = [len(suite.findall(f".//{tag}")) for suite in suites]
        assert [int(suite.get(key)) for suite in suites] == found
        assert int(root.get(key)) == sum(found) > 0 or tag == "skipped"
    said = [failure.text for failure in root.iter("failure")]
    assert sum("You forgot to transpose." in text for text in said) == 2


def test_junit_tells_our_faults_from_theirs(book):
    root = Tree.fromstring(export(book, "junit", None))
    suites = {suite.get("name"): suite for suite in root.findall("testsuite")}
    ours = suites["Kurt Gödel (submission_7)"].find("testcase/error")
    assert ours.get("type") == "grader_error"
    assert "no space left on device" in ours.text
    theirs = suites["Grace Hopper (submission_5)"]
    assert theirs.find("testcase/failure").get("message") == "operators.py:2: syntax error"
    assert theirs.find("testcase/failure").get("type") == "rejected"
    assert theirs.get("tests") == "1"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=st.text(alphabet=st.characters(), max_size=60))
def test_no_text_breaks_any_format(making, text):
    failure = Failure(text, text, text, text, text, text, text)
    wrong = making.check("bias/forward", Outcome.FAILED, failure=failure)
    made = making.grade(
        f"submission_{text}", None, making.result(wrong, messages=(text,)),
        people=(Person(text, text, text),), error=text, digest=text,
    )  # fmt: skip
    book = making.gradebook(made, replace(made, result=None, score=None), title=text or "Nine")
    for form in ("csv", "gradescope", "canvas", "excel"):
        widths = {len(row) for row in csv.reader(io.StringIO(export(book, form, None)))}
        assert len(widths) == 1
    assert len(Tree.fromstring(export(book, "junit", None))) == 2
    first = json.loads(export(book, "jsonl", None).splitlines()[0])
    assert first["people"][0]["name"] == text


# --- Parquet -----------------------------------------------------------------------------------


def test_parquet_has_the_columns_of_the_csv_with_types(book, tmp_path):
    arrow = pytest.importorskip("pyarrow.parquet", reason="needs the extra: parquet")
    export(book, "parquet", tmp_path / "grades.parquet")
    table = arrow.read_table(tmp_path / "grades.parquet")
    assert table.column_names == export(book, "csv", None).splitlines()[0].split(",")
    assert str(table.schema.field("matmul").type) == "double"
    scores = dict(zip(table["name"].to_pylist(), table["score"].to_pylist(), strict=True))
    assert scores["Ada Lovelace"] == 10.0
    assert scores["Kurt Gödel"] is None
    assert table.num_rows == len(student_rows(book))


def test_parquet_without_pyarrow_says_what_to_install(book, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'dl-autograder\[parquet\]'"):
        export(book, "parquet", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_parquet_needs_a_file(book):
    with pytest.raises(InputError, match="parquet isn't text; give a file with --out"):
        export(book, "parquet", None)


@pytest.mark.parametrize("form", TEXTS)
def test_an_empty_book_is_a_header_and_nothing_else(making, form):
    text = export(making.gradebook(), form, None)
    assert len(text.splitlines()) <= 2
