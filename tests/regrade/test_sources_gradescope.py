"""Gradescope's export: metadata with gaps, groups, Ruby's accent and hostile YAML."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autograder.errors import InputError
from autograder.regrade.gradebook import Person
from autograder.regrade.sources import Layout, open_source
from autograder.regrade.sources.gradescope import parse_moment
from autograder.regrade.sources.metadata import MetadataError, read_metadata
from autograder.regrade.store import Store
from benchmarks.synthetic import answer

METADATA = """\
---
submission_1:
  :submitters:
  - :name: Ada Lovelace
    :sid: '007'
    :email: ada@example.edu
  :created_at: 2026-10-11 18:30:05.123456789 Z
  :score: 25.5
  :status: processed
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    tests:
    - &1
      name: "<script>"
      score: .nan
    - *1
    output: |
      it went
      wrong
  :history:
  - :created_at: 2026-10-10 18:30:05.000000000 Z
    :submitters: []
submission_2:
  :submitters:
  - :name: Charles Babbage
    :sid:
    :email: cb@example.edu
  - &2
    :name: Grace Hopper
    :sid: ''
  :created_at: 2026-10-12 00:10:00.000000000 +02:00
  :score:
  :status: failed
  :results:
    output: the autograder failed to run
submission_3:
  :submitters:
  - *2
  - :sid: 42
  :created_at: yesterday
  :score: much
submission_4: nonsense
submission_9:
  :submitters: []
"""


def export(root: Path, metadata: str | bytes = METADATA) -> Path:
    """`assignment_77_export/`, as a folder that was unpacked."""
    folder = root / "assignment_77_export"
    files = {
        "submission_1/answer.py": answer(1),
        "submission_2/my homework/answer.py": answer(0, 1),
        "submission_3/answer.py": answer(0, 0, 1),
        "submission_4/answer.py": answer(),
        "submission_5/answer.py": answer(1, 1),
        "submission_1/.DS_Store": "junk",
        "__MACOSX/submission_1/._answer.py": "junk",
        ".DS_Store": "junk",
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    data = metadata if isinstance(metadata, bytes) else metadata.encode()
    (folder / "submission_metadata.yml").write_bytes(data)
    return root


def entries(path: Path):
    source = open_source(path, ["answer.py"], max_bytes=2**16)
    assert source.layout is Layout.GRADESCOPE
    return {entry.name: entry for entry in source}


@pytest.fixture(params=["folder", "inner folder", "zip"])
def place(request, tmp_path):
    """The export in the forms in which it is handed to us."""
    root = export(tmp_path / "download")
    if request.param == "folder":
        return root
    if request.param == "inner folder":
        return root / "assignment_77_export"
    path = tmp_path / "export.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(root))
    return path


def test_people_times_and_old_scores_come_from_the_metadata(place):
    found = entries(place)
    assert sorted(found) == [f"submission_{i}" for i in (1, 2, 3, 4, 5, 9)]
    ada = found["submission_1"]
    assert ada.people == (Person("Ada Lovelace", "007", "ada@example.edu"),)
    assert ada.timestamp == datetime(2026, 10, 11, 18, 30, 5, tzinfo=UTC)
    assert ada.previous == 25.5
    pair = found["submission_2"]
    assert pair.people == (
        Person("Charles Babbage", None, "cb@example.edu"), Person("Grace Hopper", None, None),
    )  # fmt: skip
    assert pair.student == "Charles Babbage, Grace Hopper"
    assert pair.timestamp == datetime(2026, 10, 11, 22, 10, tzinfo=UTC)
    assert pair.previous is None
    assert pair.submission.files["answer.py"].decode() == answer(0, 1)


def test_gaps_in_the_metadata_cost_nobody_the_grade(place):
    found = entries(place)
    third = found["submission_3"]
    assert third.people == (Person("Grace Hopper"), Person("42", "42"))
    assert (third.timestamp, third.previous) == (None, None)
    for name in ("submission_4", "submission_5"):
        assert found[name].people == ()
        assert found[name].student == name
        assert found[name].submission is not None
    assert "lists it, but its folder is missing" in found["submission_9"].error


def test_an_export_goes_through_a_store_and_back(regrade, place):
    _, tally = regrade(place)
    assert (tally.graded, tally.unreadable) == (5, 1)
    with Store(regrade.path) as store:
        grades = {grade.submission: grade for grade in store.gradebook().grades}
    for name, entry in entries(place).items():
        grade = grades[name]
        assert (grade.people, grade.timestamp, grade.previous, grade.error) == (
            entry.people, entry.timestamp, entry.previous, entry.error,
        )  # fmt: skip
    assert [grades[f"submission_{i}"].score for i in (1, 2, 3, 4, 5)] == [50, 30, 20, 0, 80]


@pytest.mark.parametrize(
    ("metadata", "line"),
    [
        ("- a\n- b\n", "it is not a mapping of submissions"),
        ("just text", "it is not a mapping of submissions"),
        ("", "it is not a mapping of submissions"),
        ("submission_1: [unclosed\n", "line "),
        ("submission_1:\n\t:tabs: bad\n", "line 2: "),
        (b"submission_1: \xff\xfe\n", "can't be read"),
        ("a: \x07\n", "can't be read"),
        ("a: *nowhere_before\n", None),
    ],
)
def test_broken_metadata_is_one_line_naming_the_file(tmp_path, metadata, line):
    root = export(tmp_path, metadata)
    if line is None:
        assert entries(root)["submission_1"].people == ()
        return
    with pytest.raises(InputError) as refused:
        entries(root)
    said = str(refused.value)
    assert "submission_metadata.yml: can't be read as Gradescope's metadata" in said
    assert line in said
    assert "\n" not in said


def test_metadata_never_builds_objects_nor_copies_aliases():
    laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefghi", "bcdefghij", strict=True)
    )
    table = read_metadata(laughs.encode())
    assert table["j"][0] is table["j"][8] is table["i"]
    table = read_metadata(b"a: !!python/object/apply:os.system ['touch /tmp/x']\n")
    assert table == {"a": ["touch /tmp/x"]}
    assert read_metadata(b"a: &a\n  b: *a\n") == {"a": {"b": None}}


def test_deep_nesting_is_cut_and_not_followed():
    table = read_metadata(b"a: " + b"[" * 3000 + b"]" * 3000 + b"\nb: 1\n")
    assert table["b"] == "1"
    depth, value = 0, table["a"]
    while value:
        depth, value = depth + 1, value[0]
    assert depth < 10


def test_parts_that_are_left_out_are_skipped_whole():
    data = b"s:\n  :results:\n    s: {x: [1, {y: 2}]}\n  :score: 3\n  results: {}\n"
    assert read_metadata(data, leave_out=frozenset({"results"})) == {"s": {"score": "3"}}


_SCALARS = st.none() | st.text(max_size=20) | st.integers() | st.floats() | st.booleans()
_TREES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(
    st.dictionaries(
        st.sampled_from([":submitters", ":created_at", ":score", ":results", ":due_date"]), _TREES
    )
)
def test_whatever_the_metadata_says_the_submission_is_found(tmp_path_factory, said):
    root = tmp_path_factory.mktemp("export")
    (root / "submission_1").mkdir()
    (root / "submission_1" / "answer.py").write_text("x")
    text = yaml.safe_dump({"submission_1": said}, allow_unicode=True)
    (root / "submission_metadata.yml").write_text(text, encoding="utf-8")
    (entry,) = open_source(root, ["answer.py"], max_bytes=100)
    assert entry.submission.files == {"answer.py": b"x"}
    for person in entry.people:
        assert person.name.strip()


@given(st.binary(max_size=200))
def test_any_bytes_are_metadata_or_one_error(data):
    said = ""
    try:
        table = read_metadata(data)
    except MetadataError as error:
        said = str(error)
    assert "\n" not in said
    assert said or isinstance(table, dict)


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)),
    st.integers(-23 * 60, 23 * 60),
    st.sampled_from(["{:%Y-%m-%d %H:%M:%S}.000000000 {}", "{:%Y-%m-%dT%H:%M:%S}.5{}"]),
)
def test_moments_are_understood_with_their_zone(moment, minutes, form):
    moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
    text = form.format(moment, f"{moment:%z}")
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["2026-10-11", "2026-10-11 10:00:00", "2026-13-01 10:00:00 Z", "", None, 5, ["x"]]
)
def test_what_names_no_moment_is_none(text):
    assert parse_moment(text) is None
