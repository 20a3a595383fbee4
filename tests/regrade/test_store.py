"""The store: what it keeps, what it refuses, and what happens when the machine lets it down."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
import sys

import pytest

from autograder.errors import GraderError, InputError
from autograder.regrade import schema
from autograder.regrade.records import Plan
from autograder.regrade.store import Store
from autograder.regrade.trouble import explain
from benchmarks.synthetic import answer


def test_a_stored_result_comes_back_as_it_was(regrade, cohort):
    from benchmarks.synthetic import InlineEngine

    engine = InlineEngine(regrade.assignment.config)
    regrade(cohort, make_engine=lambda: engine)
    with Store(regrade.path) as store:
        standing = next(s for s in store.standings(1) if s.name == "cyd")
        result = store.result(standing.result)
        checks = store.checks(standing.result)
    assert result == next(
        r for r in (engine.submit(job).result() for job in list(engine.jobs)) if r.score == 65
    )
    assert [c.id for e in result.exercises for c in e.checks] == list(checks)
    assert checks["beta/check_5"].outcome == "failed"
    assert checks["beta/check_5"].misconception == "forgets_beta"
    assert checks["alpha/check_0"].score == pytest.approx(50 / 6, abs=1e-4)


def test_the_gradebook_is_sorted_and_complete(regrade, cohort):
    regrade(cohort)
    with Store(regrade.path) as store:
        book = store.gradebook()
    assert [grade.name for grade in book.grades] == ["ada", "bob", "cyd", "dan", "eve"]
    assert (book.assignment, book.title, book.max_score, book.run) == (
        "synthetic", "Synthetic", 100.0, 1,
    )  # fmt: skip
    assert book.exercises[0] == ("alpha", "Alpha", 50.0)
    assert book.finished is not None
    assert book.versions["isolation"] == "none"


def test_reading_a_store_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="there is no store; `autograder regrade` makes one"):
        Store(tmp_path / "nowhere.db")


def test_another_file_is_not_a_store(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n" * 1000)
    for write in (False, True):
        with pytest.raises(InputError, match="not a store; name another file"):
            Store(path, write=write)
    assert path.read_text() == "my notes\n" * 1000


def test_another_programs_database_is_not_a_store(tmp_path):
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE songs (name TEXT)")
    other.close()
    for write in (False, True):
        with pytest.raises(InputError, match="another program's database"):
            Store(path, write=write)


def test_an_unknown_run_is_refused_with_those_there_are(regrade, cohort):
    regrade(cohort)
    with Store(regrade.path) as store, pytest.raises(InputError, match=r"no run 7 \(runs: 1\)"):
        store.run(7)


def test_a_newer_store_is_refused(regrade, cohort):
    regrade(cohort)
    edit(regrade.path, f"PRAGMA user_version = {schema.VERSION + 1}")
    for write in (False, True):
        with pytest.raises(InputError, match=r"written by a newer autograder .*update autograder"):
            Store(regrade.path, write=write)


def test_an_older_store_is_brought_up_to_date_once(regrade, cohort, scores, monkeypatch):
    regrade(cohort)
    before = scores(regrade.path)
    steps = (
        "CREATE TABLE notes (text TEXT); -- the first step\nINSERT INTO notes VALUES ('a;b');",
        "ALTER TABLE notes ADD COLUMN author TEXT;",
    )
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    monkeypatch.setattr(schema, "VERSION", 3)
    with pytest.raises(InputError, match=r"older store.*brings it to version 3"):
        Store(regrade.path)
    for _ in range(2):
        with Store(regrade.path, write=True) as store:
            assert [tuple(row) for row in store._query("SELECT * FROM notes")] == [("a;b", None)]
    assert scores(regrade.path) == before


def test_a_migration_that_fails_changes_nothing(regrade, cohort, monkeypatch):
    regrade(cohort)
    monkeypatch.setattr(schema, "MIGRATIONS", ("CREATE TABLE notes (text TEXT); NOT SQL;",))
    monkeypatch.setattr(schema, "VERSION", 2)
    with pytest.raises(GraderError, match="syntax error"):
        Store(regrade.path, write=True)
    monkeypatch.undo()
    with Store(regrade.path) as store:
        assert not list(store._query("SELECT 1 FROM sqlite_master WHERE name = 'notes'"))


def test_the_schema_makes_every_table_with_its_comments(regrade, cohort):
    regrade(cohort)
    with Store(regrade.path) as store:
        tables = {
            row["name"]: row["sql"]
            for row in store._query("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        }
    assert {"runs", "submissions", "results", "checks"} <= tables.keys()
    assert "-- NULL: under way, or interrupted" in tables["runs"]


def test_a_full_disk_is_one_line_and_keeps_what_was_stored(regrade, cohort, hand_in, scores):
    regrade(cohort)
    before = scores(regrade.path)
    for i in range(80):
        hand_in(cohort, f"late{i}", answer(i / 100))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(GraderError, match=r"disk is full or failing .*run the same command"):
            regrade(cohort)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert scores(regrade.path, 1) == before
    stored = sum(1 for _ in standings(regrade.path, 2))
    assert stored > 0
    run, tally = regrade(cohort)
    assert (run.id, tally.graded + tally.known) == (2, 85)
    assert tally.known >= stored


@pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root can write anywhere"
)
def test_a_read_only_store_can_be_read_and_not_written(regrade, cohort, tmp_path):
    regrade(cohort)
    regrade.path.parent.chmod(0o755)
    folder = tmp_path / "archive"
    folder.mkdir()
    regrade.path.rename(folder / "grades.db")
    (folder / "grades.db").chmod(0o444)
    folder.chmod(0o555)
    code = (
        "import sys; from pathlib import Path\n"
        "from autograder.errors import InputError\n"
        "from autograder.regrade.store import Store\n"
        "path = Path(sys.argv[1])\n"
        "with Store(path) as store: print(len(list(store.standings(1))))\n"
        "try: Store(path, write=True)\n"
        "except InputError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(folder / "grades.db")]
    if os.geteuid() == 0:
        # Root writes anywhere; without its capability it is like anybody else.
        command = ["setpriv", "--bounding-set", "-dac_override", "--inh-caps=-all", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "5"
    assert "can't be written (read-only)" in second or "can't be opened" in second


def test_a_damaged_store_is_one_line(regrade, cohort):
    regrade(cohort)
    data = bytearray(regrade.path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    regrade.path.write_bytes(data)
    with pytest.raises(GraderError, match="damaged"), Store(regrade.path) as store:
        store.gradebook()


def test_a_damaged_result_is_named(regrade, cohort):
    regrade(cohort)
    edit(regrade.path, "UPDATE results SET json = x'00' WHERE id = 1")
    with (
        Store(regrade.path) as store,
        pytest.raises(GraderError, match="result 1 is damaged; grade again with --force"),
    ):
        store.gradebook()


def test_a_store_can_be_read_while_a_run_writes(regrade, cohort, assignment):
    run, _ = regrade(cohort)
    with Store(regrade.path, write=True) as writer:
        plan = Plan(assignment.config, run.fingerprint, "elsewhere")
        writer.begin(plan)
        with Store(regrade.path) as reader:
            assert reader.run().id == 1
            assert reader.run(2).finished is None


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("SQLITE_BUSY", "locked by another program"),
        ("SQLITE_CANTOPEN_ISDIR", "can't be opened"),
        ("SQLITE_IOERR_FSYNC", "disk is full or failing"),
        ("SQLITE_MISMATCH", "x.db: odd"),
    ],
)
def test_every_error_of_sqlite_is_one_line(tmp_path, name, line):
    error = sqlite3.OperationalError("odd")
    error.sqlite_errorname = name
    said = str(explain(tmp_path / "x.db", error))
    assert line in said
    assert "\n" not in said


def edit(path, statement):
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


def standings(path, run):
    with Store(path) as store:
        yield from store.standings(run)
