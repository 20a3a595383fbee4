"""Engines: processes that die, hang or fail cost nothing but a second try."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from autograder.course import Course
from autograder.errors import GraderError
from autograder.pool import Job, LocalEngine, WorkerLost, grade_with
from autograder.result import Status
from autograder.sandbox import Isolation
from autograder.submission import Submission
from benchmarks.synthetic import answer, task

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def engine(assignment):
    root = assignment.suite.parents[1]
    with LocalEngine(
        Course(root), assignment.id, processes=2, isolation=Isolation.NONE, task=task
    ) as made:
        yield made


def job(name: str, text: str) -> Job:
    return Job(name, Submission.from_files({"answer.py": text.encode()}))


def grade(engine, assignment, jobs, **settings):
    return {
        done.name: result
        for done, result in grade_with(engine, jobs, assignment.config, **settings)
    }


def test_results_come_from_other_processes(engine, assignment):
    results = grade(engine, assignment, [job(str(i), answer(i / 4)) for i in range(5)])
    assert {name: result.score for name, result in results.items()} == {
        "0": 0.0, "1": 16.67, "2": 25.0, "3": 41.67, "4": 50.0,
    }  # fmt: skip


def test_a_job_that_kills_its_process_is_tried_twice_and_harms_no_other(engine, assignment):
    jobs = [job("bad", answer(words="die")), *(job(str(i), answer(1)) for i in range(4))]
    results = grade(engine, assignment, jobs)
    assert len(results) == 5
    bad = results.pop("bad")
    assert (bad.status, bad.score) == (Status.GRADER_ERROR, None)
    assert bad.fault == "tried twice: the process that graded it died"
    assert [exercise.max_score for exercise in bad.exercises] == [50, 30, 20]
    assert all(result.score == 50 for result in results.values())


def test_bad_luck_gets_a_second_try(engine, assignment, tmp_path):
    text = answer(1, words=f"die-once {tmp_path / 'died'}")
    assert grade(engine, assignment, [job("unlucky", text)])["unlucky"].score == 50
    assert (tmp_path / "died").exists()


def test_an_exception_in_the_process_is_a_fault_of_the_grader(engine, assignment):
    result = grade(engine, assignment, [job("x", answer(1, words="raise"))])["x"]
    assert result.fault == "tried twice: OSError: it was told to raise"


def test_a_job_without_end_is_ended(engine, assignment):
    jobs = [job("slow", answer(words="sleep 600")), job("quick", answer(1))]
    results = grade(engine, assignment, jobs, patience=1.0)
    assert results["quick"].score == 50
    assert results["slow"].fault == "tried twice: it took longer than 1 seconds"


class Hopeless:
    """An engine whose every process dies."""

    slots = 2

    def submit(self, job):
        future = Future()
        future.set_exception(WorkerLost("no memory"))
        return future

    def abandon(self, future):
        raise AssertionError


def test_an_engine_that_only_loses_ends_the_run(assignment):
    jobs = [job(str(i), answer(1)) for i in range(100)]
    with pytest.raises(GraderError, match=r"5 submissions in a row .*no memory"):
        grade(Hopeless(), assignment, jobs)


def test_jobs_are_taken_only_as_slots_get_free(engine, assignment):
    taken = []

    def jobs():
        for i in range(6):
            taken.append(i)
            yield job(str(i), answer(1))

    for count, _ in enumerate(grade_with(engine, jobs(), assignment.config), 1):
        assert len(taken) <= count + engine.slots


def test_without_a_job_nothing_is_started_and_none_only_asks_for_results(engine, assignment):
    assert grade(engine, assignment, [None, None]) == {}
    assert engine._lanes == []


PROGRAM = """
import sys
from pathlib import Path
from autograder.course import Course
from autograder.pool import Job, LocalEngine, grade_with
from autograder.assignment import load_assignment
from autograder.sandbox import Isolation
from autograder.submission import Submission
from benchmarks.synthetic import answer, task

if __name__ == "__main__":
    course = Course(Path(sys.argv[1]))
    config = load_assignment(course, "synthetic").config
    quick, slow = (
        Job(words, Submission.from_files({"answer.py": answer(1, words=words).encode()}))
        for words in ("quick", "sleep 600")
    )
    with LocalEngine(
        course, "synthetic", processes=2, isolation=Isolation.NONE, task=task
    ) as engine:
        for job, result in grade_with(engine, [quick, slow], config):
            print(job.name, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_processes_do_not_outlive_their_parent(assignment, tmp_path, number):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, program, assignment.suite.parents[1]],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip
    assert process.stdout.readline() == "quick\n"
    os.kill(process.pid, number)
    process.wait(20)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("a process is left")
    process.stdout.close()
