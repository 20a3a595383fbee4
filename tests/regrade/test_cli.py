"""`regrade`, `runs`, `diff`, `export`, `report`: lines, exit codes, and what is written where."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import cli, pool
from autograder.regrade import fingerprint
from autograder.regrade.lock import StoreLock
from benchmarks.synthetic import InlineEngine, answer, task

ROOT = Path(__file__).resolve().parents[2]


class Ran:
    """What a command printed, and how it exited."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def real_processes():
    """Grade in processes, as without a test around it."""


@pytest.fixture
def run(monkeypatch, capsys, assignment, tmp_path, request):
    """Run a command in this process, in the synthetic course, grading in this process too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTOGRADER_COURSE", str(assignment.handout.parents[1]))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    # Other processes say the same, even while somebody is editing the package.
    monkeypatch.setattr(fingerprint, "package_digest", lambda: "pinned")
    if "real_processes" in request.fixturenames:
        defaults = {**pool.LocalEngine.__init__.__kwdefaults__, "task": task}
        monkeypatch.setattr(pool.LocalEngine.__init__, "__kwdefaults__", defaults)
    else:
        monkeypatch.setattr(pool, "LocalEngine", lambda *_, **__: InlineEngine(assignment.config))

    def command(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["autograder", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return command


@pytest.fixture
def regraded(run, cohort):
    """The cohort, regraded once into out/synthetic.db."""
    ran = run("regrade", cohort, "-a", "synthetic")
    assert ran.code == 0, ran.err
    return ran


def test_a_cohort_becomes_a_table_and_a_store(regraded, run, cohort, tmp_path):
    assert "ada" in regraded.out
    assert "65 / 100" in regraded.out
    # Two handed in the same; whether the first is done when the second comes is a matter of luck.
    assert re.search("run 1: [45] graded, [01] known already, 0 unreadable", regraded.err)
    assert (tmp_path / "out" / "synthetic.db").is_file()
    again = run("regrade", cohort, "-a", "synthetic")
    assert again.code == 0
    assert "run 2: 0 graded, 5 known already, 0 unreadable" in again.err
    assert again.out == regraded.out


def test_json_lists_every_submission(run, cohort):
    data = json.loads(run("regrade", cohort, "-a", "synthetic", "--json", "-j", "1").out)
    assert (data["assignment"], data["run"]) == ("synthetic", 1)
    assert data["graded"] + data["known"] == 5
    cyd = next(entry for entry in data["submissions"] if entry["submission"] == "cyd")
    assert (cyd["score"], cyd["raw_score"], cyd["status"]) == (65.0, 65.0, "graded")
    assert cyd["people"] == [{"name": "cyd", "sid": None, "email": None}]


def test_unreadable_submissions_are_exit_code_1_and_the_others_graded(run, cohort):
    (cohort / "zoe.zip").write_bytes(b"PK\x03\x04 broken")
    ran = run("regrade", cohort, "-a", "synthetic", "--results", "results")
    assert ran.code == 1
    assert "not graded: zoe.zip: " in ran.err
    assert "1 of 6 submissions could not be read (above)" in ran.err
    assert json.loads(Path("results/ada/results.json").read_text())["score"] == 100
    assert not Path("results/zoe.zip").exists()


def test_faults_of_the_grader_are_exit_code_2_and_named(real_processes, run, cohort, hand_in):
    hand_in(cohort, "bob", answer(1, words="die"))
    ran = run("regrade", cohort, "-a", "synthetic")
    assert ran.code == 2
    assert "no score for bob;" in ran.err
    assert "--failed" in ran.err
    hand_in(cohort, "bob", answer(1))
    ran = run("regrade", cohort, "-a", "synthetic", "--failed")
    assert ran.code == 0
    assert "1 graded, 4 known already" in ran.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--only", "alfa"], "did you mean 'alpha'?"),
        (["--force", "--failed"], "give one of them"),
        (["--scheduler", "tcp://x:1"], "--scheduler is Dask's: give --executor dask"),
        (["--store", "cohort"], "can't be opened"),
        (["--store", "cohort/ada/answer.py"], "not a store; name another file"),
        (["--store", "cohort/ada/answer.py/x.db"], "can't write there"),
        (["--source-format", "moodle"], "no submissions in it in the layout moodle"),
        (["-j", "0"], "-j"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(run, cohort, arguments, line):
    ran = run("regrade", "cohort", "-a", "synthetic", *arguments)
    assert ran.code == 1
    assert ran.out == ""
    assert len(ran.err.strip().splitlines()) == 1, ran.err
    assert line in ran.err


def test_a_store_in_use_is_one_line(run, cohort):
    Path("out").mkdir()
    with StoreLock(Path("out/synthetic.db")):
        ran = run("regrade", cohort, "-a", "synthetic")
    assert ran.code == 1
    assert f"another run is writing to it (process {os.getpid()} of" in ran.err


def test_the_summary_goes_to_a_file_and_to_githubs(run, cohort, monkeypatch):
    run("regrade", cohort, "-a", "synthetic", "--summary", "summary.md")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "step.md")
    run("regrade", cohort, "-a", "synthetic")
    run("regrade", cohort, "-a", "synthetic")
    assert "## Synthetic" in Path("summary.md").read_text()
    assert Path("step.md").read_text().count("## Synthetic") == 2


def test_a_summary_that_cannot_be_written_costs_no_grade(run, cohort):
    ran = run("regrade", cohort, "-a", "synthetic", "--summary", "cohort")
    assert ran.code == 0
    assert "no summary: cohort: Is a directory" in ran.err


def test_runs_are_listed(regraded, run, cohort):
    run("regrade", cohort, "-a", "synthetic", "--only", "alpha", "--force")
    ran = run("runs", "out/synthetic.db")
    assert ran.code == 0
    assert "only alpha" in ran.out
    assert [r["run"] for r in json.loads(run("runs", "out/synthetic.db", "--json").out)] == [1, 2]


def test_a_diff_says_who_and_why_and_fails_on_demand(regraded, run, cohort, hand_in):
    hand_in(cohort, "ada", answer(0.5, 1, 1))
    hand_in(cohort, "bob", answer(1, 0, 0))
    run("regrade", cohort, "-a", "synthetic")
    ran = run("diff", "out/synthetic.db")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].startswith("ada  100 → 75  submission")
    assert "alpha/check_3: passed → failed" in lines[1]
    assert "run 1 → run 2: 2 changed, of these 1 down; 3 as before" in ran.out
    ran = run("diff", "out/synthetic.db", "1", "2", "--fail-on", "down")
    assert (ran.code, "1 grades went down" in ran.err) == (3, True)
    assert run("diff", "out/synthetic.db", "2", "1", "--fail-on", "change").code == 3
    assert run("diff", "out/synthetic.db", "2", "2", "--fail-on", "change").code == 0
    assert json.loads(run("diff", "out/synthetic.db", "--json").out)["down"] == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["diff", "nowhere.db"], "nowhere.db: there is no store"),
        (["diff", "out/synthetic.db"], "there is only run 1, and its source brought no old scores"),
        (["diff", "out/synthetic.db", "x"], "'x' is not a run: give its number"),
        (["diff", "out/synthetic.db", "1", "9"], "there is no run 9 (runs: 1)"),
        (["diff", "out/synthetic.db", "platform"], "run 1 found no old scores in its source"),
        (["export", "out/synthetic.db", "--format", "cvs"], "did you mean 'csv'?"),
        (["export", "out/synthetic.db", "--run", "4"], "no run 4"),
        (["report", "cohort/ada/answer.py"], "not a store"),
    ],
)
def test_stores_that_cannot_answer_are_one_line(regraded, run, arguments, line):
    ran = run(*arguments)
    assert ran.code == 1
    assert line in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_a_store_is_exported_and_reported(regraded, run):
    pytest.importorskip("jinja2")
    assert run("export", "out/synthetic.db").out.count("\n") == 6
    assert run("export", "out/synthetic.db", "--format", "jsonl", "--out", "b.jsonl").code == 0
    assert len(Path("b.jsonl").read_text().splitlines()) == 5
    assert run("report", "out/synthetic.db", "--out", "deep/report.html").code == 0
    assert "<html" in Path("deep/report.html").read_text()


def test_reading_verbs_need_no_torch(regraded):
    code = (
        "import sys; sys.argv = ['autograder', *sys.argv[1:]]\n"
        "from autograder.cli import main\n"
        "from autograder.regrade import fingerprint\n"
        "fingerprint.package_digest = lambda: 'pinned'\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    for arguments in (["runs", "out/synthetic.db"], ["regrade", "cohort", "-a", "synthetic"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


PROGRAM = """
import sys
sys.path.insert(0, {root!r})
from autograder import pool
from autograder.regrade import fingerprint
from benchmarks.synthetic import task

fingerprint.package_digest = lambda: "pinned"
if __name__ == "__main__":
    pool.LocalEngine.__init__.__kwdefaults__["task"] = task
    sys.argv = ["autograder", *sys.argv[1:]]
    from autograder.cli import main
    main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_says_how_to_resume(run, cohort, hand_in, number, tmp_path):
    hand_in(cohort, "dan", answer(0, words="sleep 600"))
    (tmp_path / "program.py").write_text(PROGRAM.format(root=str(ROOT)))
    process = subprocess.Popen(
        [sys.executable, "program.py", "regrade", "cohort", "-a", "synthetic", "-j", "2"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "AUTOGRADER_COURSE": os.environ["AUTOGRADER_COURSE"]},
    )  # fmt: skip
    stored = 0
    while stored < 4 and process.poll() is None:
        stored = _stored(Path("out/synthetic.db"))
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == (
        "autograder: interrupted; 4 of 5 submissions are stored in out/synthetic.db; "
        "to resume: autograder regrade cohort -a synthetic -j 2\n"
    )
    hand_in(cohort, "dan", answer(0, 0, 0))
    ran = run("regrade", cohort, "-a", "synthetic", "-j", "2")
    assert ran.code == 0
    # eve's submission is dan's new one, and is known by now.
    assert "run 1: 0 graded, 5 known already" in ran.err


def _stored(path: Path) -> int:
    from autograder.errors import AutograderError
    from autograder.regrade.store import Store

    try:
        with Store(path) as store:
            return sum(s.result is not None for s in store.standings(1))
    except AutograderError:
        return 0
