"""Each platform's files, byte for byte, and what each platform does with them."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

from autograder.errors import CourseError, InputError
from autograder.packages.archives import Member, make_tar, make_zip, write_folder
from autograder.packages.kinds import autolab, classroom50, gradescope, prairielearn, slug

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "registry.example.edu/dl/autograder:a9"


def listing(members) -> str:
    """Modes and names; the grader's own modules would change with every commit."""
    lines = [
        f"{member.mode:o} {name}\n"
        for name, member in sorted(members.items())
        if not name.removeprefix("payload/").startswith("lib/autograder/")
    ]
    return "".join(lines)


def text(members, name: str) -> str:
    return members[name].content.decode()


def test_gradescope(tiny, golden):
    members = gradescope(tiny, "a9_tiny")
    golden("gradescope.txt", listing(members))
    golden("gradescope/setup.sh", text(members, "setup.sh"))
    golden("gradescope/run_autograder", text(members, "run_autograder"))
    assert "payload/lib/autograder/platforms/gradescope.py" in members


def test_prairielearn(tiny, golden):
    members = prairielearn(tiny, "a9_tiny", IMAGE)
    golden("prairielearn.txt", listing(members))
    for name in members:
        golden(f"prairielearn/{name}", text(members, name))


def test_autolab(tiny, golden):
    members = autolab(tiny, "a9_tiny", IMAGE)
    golden("autolab.txt", listing(members))
    golden("autolab/a9_tiny.yml", text(members, "a9_tiny.yml"))
    golden("autolab/autograde-Makefile", text(members, "autograde-Makefile"))
    with tarfile.open(fileobj=io.BytesIO(members["autograde.tar"].content)) as archive:
        names = archive.getnames()
        found = {name: Member(b"") for name in names}
        golden("autolab/autograde.tar.txt", listing(found))
        assert {(i.uid, i.gid, i.mtime) for i in archive.getmembers()} == {(0, 0, 0)}
    assert "lib/autograder/platforms/autolab.py" in names


def test_classroom50(tiny, golden):
    members = classroom50(tiny, "a9_tiny", IMAGE)
    golden("classroom50.txt", listing(members))
    for name in members:
        # Not under its own name, or linters would take it for ours.
        golden(f"classroom50/{name}.txt", text(members, name))


def test_a_gradescope_zip_is_the_same_every_time_and_keeps_its_modes(tiny):
    first, second = (make_zip(gradescope(tiny, "a9_tiny")) for _ in range(2))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        modes = {i.filename: i.external_attr >> 16 & 0o777 for i in archive.infolist()}
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert modes["payload/course/suites/a9_tiny/test_tiny.py"] == 0o644


def test_no_script_has_windows_line_ends_and_each_is_valid_shell(tiny):
    members = gradescope(tiny, "a9_tiny")
    for name in ("setup.sh", "install.sh", "run_autograder"):
        assert b"\r" not in members[name].content
        assert members[name].content.startswith(b"#!/bin/sh\n")
        done = subprocess.run(["sh", "-n"], input=members[name].content, capture_output=True)
        assert done.returncode == 0, done.stderr


def test_what_autolab_imports_is_valid_yaml_with_one_problem_per_exercise(tiny):
    data = yaml.safe_load(text(autolab(tiny, "a9_tiny", IMAGE), "a9_tiny.yml"))
    assert data["general"]["name"] == "a9_tiny"
    assert data["general"]["handin_filename"] == "tiny.py"
    assert [(p["name"], p["max_score"]) for p in data["problems"]] == [
        ("double", 4.0), ("half", 1.5)
    ]  # fmt: skip
    assert data["autograder"]["autograde_image"] == IMAGE


def test_what_github_runs_is_valid_yaml_and_python(tiny):
    members = classroom50(tiny, "a9_tiny", IMAGE)
    workflow = yaml.safe_load(text(members, "grade.yaml"))
    assert workflow["permissions"] == {"contents": "read"}
    program = text(members, "autograders/a9-tiny/autograder.py")
    compile(program, "autograder.py", "exec")


def test_no_placeholder_is_left(tiny):
    for pack in (prairielearn, autolab, classroom50):
        for name, member in pack(tiny, "a9_tiny", IMAGE).items():
            # A tar holds the templates themselves.
            assert name.endswith(".tar") or not re.search(rb"@[A-Z]+@", member.content), name


def test_classroom50_s_slugs_have_no_underscores():
    assert slug("A1_Operators") == "a1-operators"


@pytest.mark.parametrize("image", ["", "a b", 'x"y', "x\ny", "$(date)"])
def test_what_is_no_name_of_an_image_is_refused(tiny, image):
    for pack in (prairielearn, autolab, classroom50):
        with pytest.raises(InputError, match="--image"):
            pack(tiny, "a9_tiny", image)


def test_an_unknown_assignment_is_named(tiny):
    with pytest.raises(CourseError, match="did you mean 'a9_tiny'"):
        gradescope(tiny, "a9_tini")


def test_autolab_takes_one_file(tiny):
    path = tiny.config("a9_tiny")
    path.write_text(path.read_text().replace('["tiny.py"]', '["tiny.py", "more.py"]'))
    with pytest.raises(InputError, match="Autolab takes one file"):
        autolab(tiny, "a9_tiny", IMAGE)


def test_a_folder_is_written_over_and_left_alone_otherwise(tmp_path):
    write_folder(tmp_path, {"a/b": Member(b"1"), "run": Member(b"2", executable=True)})
    (tmp_path / "mine").write_text("kept")
    write_folder(tmp_path, {"a/b": Member(b"3")})
    assert (tmp_path / "a" / "b").read_bytes() == b"3"
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "mine").read_text() == "kept"
    with pytest.raises(InputError, match="choose another --out"):
        write_folder(tmp_path / "mine", {"x": Member(b"")})


def test_a_tar_reads_back(tmp_path):
    data = make_tar({"b": Member(b"2", executable=True), "a": Member(b"1")})
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert [(i.name, i.mode, i.size) for i in archive.getmembers()] == [
            ("a", 0o644, 1), ("b", 0o755, 1)
        ]  # fmt: skip


def test_the_command_line_writes_and_says_where(tmp_path):
    out = tmp_path / "grader.zip"
    program = "from autograder.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "package", "gradescope", "a4_optimizers", "--out", out],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}\n"
    with zipfile.ZipFile(out) as archive:
        assert "payload/course/suites/a4_optimizers" in "\n".join(archive.namelist())


def test_autolab_s_makefile_grades_what_was_handed_in(tmp_path, operators):
    """The whole way, as Autolab does it: its two files and the student's, and then `make`."""
    from autograder.course import find_course

    members = autolab(find_course(Path(__file__).parent), "a1_operators", IMAGE)
    (tmp_path / "Makefile").write_bytes(members["autograde-Makefile"].content)
    (tmp_path / "autograde.tar").write_bytes(members["autograde.tar"].content)
    (tmp_path / "operators.py").write_bytes((operators.handout / "operators.py").read_bytes())
    command = ["make", "-s", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, feedback, scores = done.stdout.splitlines()
    assert json.loads(feedback)["_presentation"] == "semantic"
    assert json.loads(scores)["scores"]["matmul"] == 0.0
    assert len(json.loads(scores)["scores"]) == len(operators.config.exercises)
