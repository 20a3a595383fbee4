"""`run_autograder`: a valid results.json whatever it meets, and one line in the log."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from pathlib import Path

import pytest

from autograder.platforms import gradescope as platform
from autograder.platforms.supervisor import supervise

ROOT = Path(__file__).resolve().parents[2]
OUR_FAULT = "Something went wrong in the autograder, not in your code."
METADATA = {
    "id": 7, "created_at": "2026-10-01T10:00:00-07:00",
    "assignment": {"due_date": "2026-10-02T23:59:00-07:00", "total_points": "5.0"},
    "users": [{"name": "Ada", "email": "ada@example.org", "id": 1}],
    "previous_submissions": [],
}  # fmt: skip


@pytest.fixture
def autograder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gradescope's /autograder, with our course."""
    (tmp_path / "submission").mkdir()
    (tmp_path / "submission_metadata.json").write_text(json.dumps(METADATA))
    monkeypatch.setenv("AUTOGRADER_ROOT", str(tmp_path))
    monkeypatch.setenv("AUTOGRADER_COURSE", str(ROOT))
    monkeypatch.setenv("AUTOGRADER_ASSIGNMENT", "a1_operators")
    for name in ("AUTOGRADER_ISOLATION", "AUTOGRADER_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def pretend(grader_that, monkeypatch: pytest.MonkeyPatch):
    """Puts a stand-in in the place of the grader's process."""

    def use(code: str) -> None:
        monkeypatch.setattr(platform, "supervise", partial(supervise, command=grader_that(code)))

    return use


def report(autograder: Path) -> dict:
    return json.loads((autograder / "results" / "results.json").read_text())


def logged(capfd: pytest.CaptureFixture) -> list[str]:
    return capfd.readouterr().err.splitlines()


def test_a_graded_submission(autograder, pretend, capfd):
    pretend("send(part); send(whole)")
    assert platform.main() == 0
    assert report(autograder)["score"] == 3.0
    assert report(autograder)["extra_data"]["attempt"] == 1
    assert logged(capfd) == ["autograder: a1_operators: graded, score 3"]


def test_what_a_grader_left_that_was_killed(autograder, pretend, capfd):
    pretend("send(part); os.kill(os.getpid(), signal.SIGKILL)")
    assert platform.main() == 2
    left = report(autograder)
    assert "score" not in left
    assert all("score" not in test for test in left["tests"])
    assert left["output"].startswith(OUR_FAULT)
    assert "incomplete" in left["output"]
    assert [test["status"] for test in left["tests"]] == ["passed", "failed"]
    (line,) = logged(capfd)
    assert line.startswith(
        "autograder: fault of the grader: the grader did not finish: it was kill"
    )


def test_what_is_there_while_grading_goes_on(autograder, pretend, monkeypatch):
    """The last words of a container that is killed as a whole."""
    pretend("send(part); time.sleep(0.2); send(whole)")
    seen = []
    write = platform.ResultsFile.write
    monkeypatch.setattr(
        platform.ResultsFile, "write", lambda self, r: (seen.append(r), write(self, r))[1]
    )
    platform.main()
    first, during, last = seen
    for early in (first, during):
        assert "score" not in early
        assert early["output"].startswith(OUR_FAULT)
        assert early["extra_data"]["complete"] is False
    assert last["score"] == 3.0


def test_no_submission_folder(autograder, capfd):
    (autograder / "submission").rmdir()
    assert platform.main() == 2
    assert "score" not in report(autograder)
    assert report(autograder)["output"].startswith(OUR_FAULT)
    (line,) = logged(capfd)
    assert line.endswith("/submission: there is no such folder; the platform should have made it")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is missing"),
        ("{", "is not valid JSON"),
        ("[1]", "is not a JSON object"),
        ("[" * 100_000, "is not valid JSON"),
        (b"\xff\xfe\x00", "is not valid JSON"),
    ],
)
def test_metadata_that_can_not_be_used_costs_nobody_anything(
    autograder, pretend, capfd, content, words
):
    path = autograder / "submission_metadata.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    pretend("send(whole)")
    assert platform.main() == 0
    assert report(autograder)["score"] == 3.0
    first, _ = logged(capfd)
    assert words in first
    assert "submission_metadata.json" in first


def test_metadata_with_everything_in_the_wrong_type(autograder, pretend):
    wrong = {
        "id": [], "created_at": 5, "assignment": "x", "users": {"a": 1},
        "previous_submissions": [3, {"score": "NaN", "submission_time": "soon", "results": []}],
    }  # fmt: skip
    (autograder / "submission_metadata.json").write_text(json.dumps(wrong))
    pretend("send(whole)")
    assert platform.main() == 0
    assert report(autograder)["score"] == 3.0


def test_results_that_can_not_be_written(autograder, pretend, capfd):
    (autograder / "results").write_text("a file where a folder should be")
    pretend("send(part); send(whole)")
    assert platform.main() == 2
    lines = logged(capfd)
    assert len(lines) == 3
    assert "results.json: can't be written" in lines[0]
    assert lines[1:] == [
        "autograder: a1_operators: graded, score 3",
        "autograder: that score is nowhere but in this log: enter it by hand, or run again",
    ]


def test_an_assignment_that_the_course_does_not_have(autograder, monkeypatch, capfd):
    monkeypatch.setenv("AUTOGRADER_ASSIGNMENT", "a1_operator")
    assert platform.main() == 2
    assert "score" not in report(autograder)
    (line,) = logged(capfd)
    assert "no assignment 'a1_operator'" in line
    assert "did you mean 'a1_operators'?" in line


def test_no_assignment_chosen_among_several(autograder, monkeypatch, capfd):
    monkeypatch.delenv("AUTOGRADER_ASSIGNMENT")
    assert platform.main() == 2
    (line,) = logged(capfd)
    assert "which assignment is meant?" in line
    assert "AUTOGRADER_ASSIGNMENT" in line


def test_no_course_at_all(autograder, monkeypatch, tmp_path, capfd):
    monkeypatch.setenv("AUTOGRADER_COURSE", str(tmp_path / "nowhere"))
    assert platform.main() == 2
    assert "score" not in report(autograder)
    assert len(logged(capfd)) == 1


@pytest.mark.parametrize(
    ("variable", "value"), [("AUTOGRADER_ISOLATION", "tight"), ("AUTOGRADER_SECONDS", "soon")]
)
def test_a_setting_that_means_nothing_is_named(autograder, monkeypatch, capfd, variable, value):
    monkeypatch.setenv(variable, value)
    assert platform.main() == 2
    (line,) = logged(capfd)
    assert f"${variable} is {value!r}" in line


def test_an_empty_submission_is_the_students(autograder):
    """The whole way, with a real grader: nothing handed in is 0 points, and says so."""
    assert platform.main() == 0
    left = report(autograder)
    assert left["score"] == 0.0
    assert left["extra_data"]["status"] == "rejected"
    assert "operators.py is missing from the submission" in left["output"]


def test_run_autograder_leaves_a_valid_report_where_python_is_missing(tmp_path):
    (tmp_path / "submission").mkdir()
    done = subprocess.run(
        [ROOT / "autograder" / "packages" / "templates" / "run_autograder"],
        env={"AUTOGRADER_ROOT": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    left = json.loads((tmp_path / "results" / "results.json").read_text())
    assert "score" not in left
    assert "not of your code" in left["output"]
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["results.json"]
