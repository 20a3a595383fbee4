"""PrairieLearn's, Autolab's and Classroom 50's programs: graded, at fault, misused."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from autograder.platforms import autolab, classroom50, prairielearn
from autograder.platforms.supervisor import supervise
from autograder.reports.prairielearn import OUR_FAULT

ROOT = Path(__file__).resolve().parents[2]
TOLD = {
    "CLASSROOM": "dl", "ASSIGNMENT": "a1", "SUBMISSION_TAG": "submit/x-abc1234",
    "COMMIT_URL": "https://example.org/c", "RELEASE_URL": "https://example.org/r",
}  # fmt: skip
KILLED = "send(part); os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def pretend(grader_that, monkeypatch: pytest.MonkeyPatch):
    """Puts a stand-in in the place of the grader's process, for every platform."""
    monkeypatch.setenv("AUTOGRADER_COURSE", str(ROOT))
    monkeypatch.setenv("AUTOGRADER_ASSIGNMENT", "a1_operators")

    def use(code: str) -> None:
        for platform in (autolab, classroom50, prairielearn):
            command = grader_that(code)
            monkeypatch.setattr(platform, "supervise", partial(supervise, command=command))

    return use


@pytest.fixture
def grade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """PrairieLearn's /grade."""
    (tmp_path / "student").mkdir()
    monkeypatch.setenv("GRADE_ROOT", str(tmp_path))
    return tmp_path


def written(grade: Path) -> dict:
    return json.loads((grade / "results" / "results.json").read_text())


def test_prairielearn_makes_its_results_folder(grade, pretend):
    pretend("send(part); send(whole)")
    assert prairielearn.main() == 0
    assert written(grade)["gradable"] is True
    assert written(grade)["score"] == 0.6


def test_prairielearn_loses_no_attempt_when_the_grader_dies(grade, pretend, capfd):
    pretend(KILLED)
    assert prairielearn.main() == 2
    assert written(grade)["gradable"] is False
    assert written(grade)["format_errors"] == [OUR_FAULT]
    assert "fault of the grader" in capfd.readouterr().err


def test_prairielearn_without_a_submission_folder(grade, pretend, capfd):
    (grade / "student").rmdir()
    assert prairielearn.main() == 2
    assert written(grade)["gradable"] is False
    assert capfd.readouterr().err.count("\n") == 1


def test_autolab_ends_with_the_scores(tmp_path, pretend, capfd):
    pretend("send(part); send(whole)")
    (tmp_path / "operators.py").write_text("")
    assert autolab.main([str(tmp_path / "operators.py")]) == 0
    assert json.loads(capfd.readouterr().out.splitlines()[-1])["scores"] == {"one": 3.0}


def test_autolab_ends_without_scores_when_the_grader_dies(tmp_path, pretend, capfd):
    pretend(KILLED)
    (tmp_path / "operators.py").write_text("")
    assert autolab.main([str(tmp_path / "operators.py")]) == 2
    last = capfd.readouterr().out.splitlines()[-1]
    assert last.startswith("Something went wrong in the autograder, not in your code.")


@pytest.mark.parametrize("arguments", [[], ["a.py", "b.py"], ["/nowhere/operators.py"]])
def test_autolab_misused_says_so(pretend, capfd, arguments):
    assert autolab.main(arguments) == 2
    told = capfd.readouterr()
    assert told.err.startswith("autograder: fault of the grader: ")
    assert "scores" not in told.out


@pytest.mark.parametrize(
    ("fault", "shown"),
    [
        ("it was killed (SIGKILL)", True),
        ("/opt/autograder/course/suites: there is no suite", False),
        ("Traceback:\n  expected 3.25", False),
    ],
)
def test_a_log_that_students_read_names_no_staff_files(
    fault, shown, pretend, tmp_path, monkeypatch, capfd
):
    monkeypatch.delenv("AUTOGRADER_STAFF", raising=False)
    pretend(f"send({{'error': {fault!r}}}); sys.exit(2)")
    (tmp_path / "operators.py").write_text("")
    arguments = [str(tmp_path / "operators.py")]
    autolab.main(arguments)
    told = capfd.readouterr()
    last = fault.splitlines()[-1]
    assert (last in told.err) is shown
    assert last not in told.out
    monkeypatch.setenv("AUTOGRADER_STAFF", "1")
    autolab.main(arguments)
    assert last in capfd.readouterr().err


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Classroom 50's runner says."""
    for name, value in TOLD.items():
        monkeypatch.setenv(name, value)
    for name in ("REVIEW_URL", "OWNER", "USERNAME", "ASSIGNMENT_TYPE"):
        monkeypatch.delenv(name, raising=False)


def test_classroom50_writes_both_files(tmp_path, pretend, told):
    pretend("send(part); send(whole)")
    assert classroom50.main([str(tmp_path), str(tmp_path)]) == 0
    report = json.loads((tmp_path / "result.json").read_text())
    assert (report["score"], report["max-score"]) == (300, 500)
    assert "3 of 5 points" in (tmp_path / "release-body.md").read_text()


def test_classroom50_writes_nothing_when_the_grader_dies(tmp_path, pretend, told, capfd):
    pretend(KILLED)
    assert classroom50.main([str(tmp_path), str(tmp_path)]) == 2
    assert not (tmp_path / "result.json").exists()
    assert "fault of the grader" in capfd.readouterr().err


def test_classroom50_without_its_runner(tmp_path, pretend, told, monkeypatch, capfd):
    monkeypatch.delenv("COMMIT_URL")
    assert classroom50.main([str(tmp_path), str(tmp_path)]) == 2
    assert "$COMMIT_URL not set" in capfd.readouterr().err
    assert classroom50.main([]) == 2
