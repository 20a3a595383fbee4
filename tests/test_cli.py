"""The command line: what goes where, exit codes, and one clear line for each bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import cli
from autograder.errors import GraderError

ROOT = Path(__file__).parent.parent


class Ran:
    """What a command printed, and how it exited."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process, from the checkout."""
    monkeypatch.chdir(ROOT)

    def command(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["autograder", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return command


def test_help_and_list_do_not_import_torch():
    code = (
        "import sys; sys.argv = ['autograder', {!r}]\n"
        "from autograder.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    for argument in ("--help", "list"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(argument)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "a1_operators" in done.stdout or "Commands" in done.stdout


def test_list_names_assignments_and_points(run):
    assert "a1_operators" in run("list").out
    entry = next(e for e in json.loads(run("list", "--json").out) if e["id"] == "a1_operators")
    assert entry["points"] == 100
    assert entry["exercises"][0]["id"] == "matmul"


def test_version(run):
    from autograder import __version__

    assert run("--version").out.strip() == __version__


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["grad"], "No such command 'grad'. Did you mean 'grade'"),
        (["grade"], "Missing"),
        (["grade", "x.py", "-a", "a1_operator"], "did you mean 'a1_operators'?"),
        (["grade", "nowhere", "-a", "a1_operators"], "nowhere: no such file or directory"),
        (["grade", ".", "-a", "a1_operators", "--only", "matmull"], "did you mean 'matmul'?"),
        (["grade", ".", "-a", "a1_operators", "--format", "xml"], "--format"),
        (["validate"], "name an assignment"),
        (["validate", "a1"], "no assignment 'a1'"),
        (["handout", "zzz"], "no assignment 'zzz'"),
        (["regrade", "nowhere", "-a", "a1_operators"], "nowhere: is not a folder"),
        (["check", "a1_operatorz"], "did you mean 'a1_operators'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_code_1(run, arguments, line):
    ran = run(*arguments)
    assert ran.code == 1
    assert ran.out == ""
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert line in ran.err
    assert "Traceback" not in ran.err


def test_a_result_that_cannot_be_written_is_refused_before_grading(run, tmp_path):
    (tmp_path / "file").touch()
    bad = tmp_path / "file" / "results.json"
    ran = run("grade", "solutions/a1_operators", "-a", "a1_operators", "--out", bad)
    assert ran.code == 1
    assert "can't write there" in ran.err
    ran = run("grade", "solutions/a1_operators", "-a", "a1_operators", "--out", tmp_path)
    assert "is a folder; name a file" in ran.err


def test_an_unreadable_config_is_one_line(run, tmp_path, monkeypatch):
    configs = tmp_path / "grading_configs"
    configs.mkdir()
    (configs / "a9.toml").write_text('title = "x"\nfile = ["a.py"]\n')
    monkeypatch.setenv("AUTOGRADER_COURSE", str(tmp_path))
    ran = run("grade", ".", "-a", "a9")
    assert ran.code == 1
    assert "a9.toml: the key 'files' is missing; did you mean it by 'file'?" in ran.err


def test_grading_prints_json_and_nothing_else(run):
    ran = run(
        "grade", "solutions/a1_operators", "-a", "a1_operators", "--only", "bias",
        "--format", "json",
    )  # fmt: skip
    assert ran.code == 0
    result = json.loads(ran.out)
    assert (result["status"], result["score"], result["max_score"]) == ("graded", 6.0, 100.0)
    check = result["exercises"][3]["checks"][0]
    assert {"id", "title", "outcome", "score", "max_score", "seconds", "failure"} <= set(check)


def test_grading_into_a_file_writes_a_complete_gradescope_report(run, tmp_path):
    out = tmp_path / "deep" / "results.json"
    ran = run(
        "grade", "solutions/a1_operators", "-a", "a1_operators", "--only", "bias",
        "--format", "gradescope", "--out", out,
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "")
    report = json.loads(out.read_text())
    assert report["score"] == 6.0
    assert "incomplete" not in report["output"]
    assert [path.name for path in out.parent.iterdir()] == ["results.json"]


def test_a_text_report_can_go_into_a_file(run, tmp_path):
    out = tmp_path / "report.txt"
    ran = run(
        "grade", "solutions/a1_operators", "-a", "a1_operators", "--only", "bias", "--out", out
    )
    assert ran.code == 0
    assert "score: 6 / 100" in out.read_text()
    assert "Matrix multiplication" not in out.read_text()


def test_a_rejected_submission_is_not_an_error_of_the_caller(run, tmp_path):
    (tmp_path / "operators.py").write_text("def matmul(:\n")
    ran = run("grade", tmp_path, "-a", "a1_operators")
    assert ran.code == 0
    assert "operators.py:1: syntax error" in ran.out
    assert "rejected: 0 / 100" in ran.out


def test_a_fault_of_the_grader_is_exit_code_2(run, monkeypatch):
    def broken(*args, **kwargs):
        raise GraderError("the disk is full")

    monkeypatch.setattr("autograder.submission.read_submission", broken)
    ran = run("grade", ".", "-a", "a1_operators")
    assert ran.code == 2
    assert ran.err == "autograder: fault of the grader: the disk is full\n"


def test_doctor_knows_this_machine(run):
    findings = {f["what"]: f for f in json.loads(run("doctor", "--json").out)}
    assert findings["torch"]["fine"]
    assert {"python", "course", "gpu", "cores", "isolation seccomp"} <= set(findings)
    assert "isolation landlock" in run("doctor").out


def test_handouts_are_up_to_date(run):
    ran = run("handout", "--all", "--check")
    assert ran.code == 0, ran.out + ran.err


def test_a_drifted_handout_is_named(run, tmp_path, monkeypatch):
    import shutil

    for name in ("grading_configs", "solutions", "assignments"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("a[2-9]*"))
    stub = tmp_path / "assignments" / "a1_operators" / "operators.py"
    stub.write_text(stub.read_text() + "# changed\n")
    monkeypatch.setenv("AUTOGRADER_COURSE", str(tmp_path))
    ran = run("handout", "--all", "--check")
    assert ran.code == 1
    assert "operators.py" in ran.out
    assert "1 generated files are out of date" in ran.err
    assert run("handout", "a1_operators", "--zip", tmp_path / "zips").code == 0
    assert (tmp_path / "zips" / "a1_operators.zip").is_file()
    assert run("handout", "--all", "--check").code == 0


def test_a_cohort_becomes_a_table_and_files(run, tmp_path):
    cohort = tmp_path / "cohort"
    for name, source in {
        "s1": "def add_bias(x, b):\n    return x\n",
        "s2": "import os.path as\n",
    }.items():
        (cohort / name).mkdir(parents=True)
        (cohort / name / "operators.py").write_text(source)
    (cohort / "s3.zip").write_bytes(b"not a zip")
    ran = run(
        "regrade", cohort, "-a", "a1_operators", "--results", tmp_path / "out", "-j", "1",
        "--store", tmp_path / "grades.db",
    )  # fmt: skip
    assert ran.code == 1
    assert "syntax error" in ran.out
    assert "not graded: s3.zip" in ran.err
    assert "1 of 3 submissions could not be read" in ran.err
    assert json.loads((tmp_path / "out" / "s1" / "results.json").read_text())["score"] == 0
    assert json.loads((tmp_path / "out" / "s2" / "result.json").read_text())["status"] == "rejected"
