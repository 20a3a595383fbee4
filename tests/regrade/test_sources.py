"""Cohorts in the layouts of platforms, and what lies in them that shouldn't."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.errors import InputError
from autograder.regrade.sources import Layout, open_source
from autograder.regrade.sources.canvas import _NAME as CANVAS_NAME
from autograder.regrade.sources.canvas import _latest
from autograder.regrade.sources.item import safe_name

WANTED = ("answer.py",)
GIT = shutil.which("git")


def read(path: Path, layout: Layout | None = None, wanted=WANTED):
    """Every entry by name, and the layout."""
    source = open_source(path, wanted, max_bytes=2**16, layout=layout)
    entries = {entry.name: entry for entry in source}
    assert len(entries) == len(source)
    return entries, source.layout


def text(entry) -> str:
    assert entry.submission is not None, entry.error
    return entry.submission.files["answer.py"].decode()


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def zipped(files: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files: dict[str, str]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content.encode()))
    return stream.getvalue()


@pytest.fixture(params=["folder", "zip", "wrapped zip", "tar.gz"])
def made(request, tmp_path):
    """Write a cohort in one of the forms in which it may come."""

    def make(files: dict[str, str | bytes]) -> Path:
        if request.param == "folder":
            return write(tmp_path / "cohort", files)
        path = tmp_path / "cohort.bin"
        if request.param == "tar.gz":
            path.write_bytes(tarred_bytes(files))
        elif request.param == "zip":
            path.write_bytes(zipped(files))
        else:
            path.write_bytes(zipped({f"download/{name}": data for name, data in files.items()}))
        return path

    return make


def tarred_bytes(files: dict[str, str | bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


# --- folders --------------------------------------------------------------------------------------


def test_a_folder_holds_folders_archives_and_modules(made):
    path = made(
        {
            "ada/answer.py": "a",
            "bob/deep/in/answer.py": "b",
            "cyd.zip": zipped({"homework/answer.py": "c"}),
            "dan.tar.gz": tarred({"answer.py": "d"}),
            "eve.py": "e",
            "fay/hw.zip": zipped({"answer.py": "f"}),
            ".DS_Store": "junk",
            "__MACOSX/ada/._answer.py": "junk",
            "grades.xlsx": "junk",
        }
    )
    entries, layout = read(path)
    assert layout is Layout.FOLDER
    assert {name: text(entry) for name, entry in entries.items()} == {
        "ada": "a", "bob": "b", "cyd.zip": "c", "dan.tar.gz": "d", "eve.py": "e", "fay": "f",
    }  # fmt: skip
    assert [person.name for person in entries["ada"].people] == ["ada"]


def test_one_bad_submission_is_one_line_and_the_others_are_read(made):
    path = made(
        {
            "ada/answer.py": "a",
            "bad.zip": b"PK\x03\x04" + b"\0" * 30,
            "big/answer.py": "x" * 2**17,
            "bin.tar.gz": b"\x1f\x8b\x08 nonsense",
            "sly.zip": zipped({"../../answer.py": "s"}),
        }
    )
    entries, _ = read(path)
    assert text(entries["ada"]) == "a"
    for name in ("bad.zip", "big", "bin.tar.gz"):
        assert entries[name].submission is None
        assert entries[name].error.count("\n") == 0
        assert name in entries[name].error
    assert entries["sly.zip"].submission.missing == ("answer.py",)


def test_links_and_pipes_are_not_followed(tmp_path):
    secret = write(tmp_path, {"secret/answer.py": "full marks"}) / "secret"
    cohort = write(tmp_path / "cohort", {"ada/answer.py": "a"})
    (cohort / "eve").symlink_to(secret)
    (cohort / "eve.py").symlink_to(secret / "answer.py")
    (cohort / "inner").mkdir()
    (cohort / "inner" / "answer.py").symlink_to(secret / "answer.py")
    os.mkfifo(cohort / "pipe.zip")
    entries, _ = read(cohort)
    assert "symbolic link" in entries["eve.py"].error
    assert "eve" not in entries
    assert entries["inner"].submission.missing == ("answer.py",)
    assert "pipe" in entries["pipe.zip"].error


@pytest.mark.parametrize("name", ["notes.txt", ".git/config", "__MACOSX/answer.py"])
def test_a_source_without_submissions_is_refused(tmp_path, name):
    path = tmp_path / "cohort.zip"
    path.write_bytes(zipped({name: "x"}))
    with pytest.raises(InputError, match=r"cohort\.zip: there are no submissions in it"):
        read(path)
    with pytest.raises(InputError, match="cohort: there are no submissions in it"):
        read(write(tmp_path / "cohort", {name: "x"}))


def test_a_source_that_is_neither_folder_nor_archive_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere: is not a folder"):
        read(tmp_path / "nowhere")
    path = tmp_path / "grades.txt"
    path.write_text("x")
    with pytest.raises(InputError, match="neither a folder nor an archive"):
        read(path)
    path = tmp_path / "broken.zip"
    path.write_bytes(b"PK\x03\x04 broken")
    with pytest.raises(InputError, match=r"broken\.zip: the archive is damaged"):
        read(path)


def test_names_that_clash_are_told_apart(tmp_path):
    path = tmp_path / "cohort.zip"
    path.write_bytes(zipped({"ada/answer.py": "1", "ADA/answer.py": "2", "a\x1bda/answer.py": "3"}))
    entries, _ = read(path)
    assert sorted(entries) == ["ADA", "a_x1bda", "ada~2"]


@given(st.text(min_size=1, max_size=300))
def test_every_name_becomes_one_that_a_file_can_have(name):
    safe = safe_name(name)
    assert safe
    assert safe.isprintable()
    assert not safe.startswith(".")
    assert not {"/", "\\", "\0"} & set(safe)
    assert len(safe.encode()) <= 4 * 121


# --- Canvas ---------------------------------------------------------------------------------------


def test_canvas_puts_everybodys_files_into_one_folder(made):
    path = made(
        {
            "lovelaceada_4242_981_answer.py": "old",
            "lovelaceada_4242_983_answer-2.py": "newest",
            "lovelaceada_4242_982_answer-1.py": "newer",
            "hopper_grace_LATE_7_990_answer.py": "late",
            "boole_8_991_homework.zip": zipped({"x/answer.py": "zipped"}),
            "turing_9_992_notes.txt": "nothing",
        }
    )
    entries, layout = read(path)
    assert layout is Layout.CANVAS
    assert text(entries["lovelaceada_4242"]) == "newest"
    assert entries["hopper_grace_7"].late
    assert not entries["lovelaceada_4242"].late
    assert text(entries["boole_8"]) == "zipped"
    assert entries["turing_9"].submission.missing == ("answer.py",)
    assert [(p.name, p.sid) for p in entries["hopper_grace_7"].people] == [
        ("hopper_grace", "Canvas 7")
    ]


def test_a_wanted_name_with_a_number_is_no_attempt():
    match = CANVAS_NAME.fullmatch("ada_1_2_part-1.py")
    assert [named.given for named in _latest([match], ["part-1.py"])] == ["part-1.py"]
    assert [named.given for named in _latest([match], ["part.py"])] == ["part.py"]


@given(
    st.from_regex(r"[a-z_]{1,12}", fullmatch=True),
    st.booleans(),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.text(min_size=1, max_size=20).filter(lambda t: not t[0].isdigit()),
)
def test_canvas_names_are_taken_apart(student, late, user, upload, file):
    name = f"{student}{'_LATE' if late else ''}_{user}_{upload}_{file}"
    match = CANVAS_NAME.fullmatch(name)
    assert (match["user"], match["upload"], match["file"]) == (str(user), str(upload), file)
    assert bool(match["late"]) is late


# --- Moodle ---------------------------------------------------------------------------------------


def test_moodle_names_participants(made):
    path = made(
        {
            "Ada Lovelace_12_assignsubmission_file_/answer.py": "a",
            "Émile_du_Châtelet_13_assignsubmission_file_/sub/answer.py": "b",
            "George Boole_14_assignsubmission_file_answer.py": "c",
            "Ada Lovelace_12_assignsubmission_onlinetext_/onlinetext.html": "<p>",
        }
    )
    entries, layout = read(path)
    assert layout is Layout.MOODLE
    assert {name: text(entry) for name, entry in entries.items()} == {
        "Ada Lovelace_12": "a", "Émile_du_Châtelet_13": "b", "George Boole_14": "c",
    }  # fmt: skip
    assert entries["Ada Lovelace_12"].people[0].sid == "Participant 12"


# --- GitHub Classroom -----------------------------------------------------------------------------


def git(folder: Path, *arguments: str, at: str = "2026-10-11T12:00:00+0200") -> str:
    environment = {
        "PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z", "GIT_COMMITTER_DATE": at,
        "GIT_AUTHOR_NAME": "A > 1 +0000", "GIT_AUTHOR_EMAIL": "a@example.edu",
        "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.edu",
    }  # fmt: skip
    return subprocess.run(
        ["git", "-C", folder, *arguments], env=environment, check=True, capture_output=True,
        text=True,
    ).stdout  # fmt: skip


@pytest.fixture
def clones(tmp_path):
    if GIT is None:
        pytest.skip("there is no git")
    for login in ("ada", "andy-b"):
        clone = write(tmp_path / f"a1-ops-{login}", {"answer.py": login})
        git(clone, "init", "-q", "-b", "main")
        git(clone, "add", ".")
        git(clone, "commit", "-q", "-m", "done")
    return tmp_path


def test_clones_are_named_by_login_and_dated_by_commit(clones):
    git(clones / "a1-ops-andy-b", "gc", "-q")
    entries, layout = read(clones)
    assert layout is Layout.CLASSROOM
    assert {e.people[0].name: text(e) for e in entries.values()} == {
        "ada": "ada", "andy-b": "andy-b",
    }  # fmt: skip
    times = {entry.timestamp for entry in entries.values()}
    assert times == {datetime(2026, 10, 11, 10, tzinfo=UTC)}


def test_a_detached_head_has_a_time_too(clones):
    git(clones / "a1-ops-ada", "checkout", "-q", "--detach")
    assert read(clones)[0]["a1-ops-ada"].timestamp is not None


def test_a_repositorys_configuration_starts_nothing(clones, tmp_path):
    clone = clones / "a1-ops-ada"
    mark = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {mark}\n")
    program.chmod(0o755)
    for key in ("core.fsmonitor", "gpg.program", "core.pager", "core.sshCommand", "diff.external"):
        git(clone, "config", key, str(program))
    git(clone, "config", "log.showSignature", "true")
    entries, _ = read(clones)
    assert entries["a1-ops-ada"].timestamp is not None
    assert not mark.exists()


@pytest.mark.parametrize(
    "head", ["", "ref: ../../../etc/passwd", "ref: refs/heads/none", "0" * 40, "\xff" * 50]
)
def test_a_repository_without_a_commit_has_no_time(clones, head):
    (clones / "a1-ops-ada" / ".git" / "HEAD").write_text(head, encoding="latin-1")
    entries, _ = read(clones)
    assert entries["a1-ops-ada"].timestamp is None
    assert text(entries["a1-ops-ada"]) == "ada"


# --- forced layouts -------------------------------------------------------------------------------


def test_a_layout_can_be_forced(tmp_path):
    path = write(
        tmp_path / "cohort", {"ada_1_2_answer.py": "x", "bob/answer.py": "y", "c/d.py": ""}
    )
    assert read(path)[1] is Layout.FOLDER
    entries, layout = read(path, Layout.CANVAS)
    assert (layout, list(entries)) == (Layout.CANVAS, ["ada_1"])
    with pytest.raises(InputError, match="no submissions in it in the layout moodle"):
        read(path, Layout.MOODLE)
    with pytest.raises(InputError, match=r"no submission_metadata.yml in it; give the folder"):
        read(path, Layout.GRADESCOPE)
