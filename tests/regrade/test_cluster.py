"""Dask: a real scheduler, real worker processes, and what can go wrong with them."""

from __future__ import annotations

import os
import signal
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.course import Course
from autograder.errors import GraderError, InputError
from autograder.pool import Job, grade_with
from autograder.regrade.fingerprint import take_fingerprint
from autograder.regrade.shipment import pack, unpack
from autograder.result import Status
from autograder.sandbox import Isolation
from autograder.submission import Submission
from benchmarks.synthetic import answer, fell, task

distributed = pytest.importorskip("distributed")

from autograder.regrade import cluster as ours  # noqa: E402
from autograder.regrade.cluster import DaskEngine, grade_remotely, introduce  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two worker processes; shared, for they take seconds to start."""
    with (
        warnings.catch_warnings(action="ignore"),
        dask_config(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
            silence_logs=50,
        ) as made,
    ):  # fmt: skip
        yield made


def dask_config():
    import dask

    return dask.config.set({"distributed.scheduler.allowed-failures": 1})


@pytest.fixture
def fingerprint(assignment):
    return take_fingerprint(assignment, "none")


@pytest.fixture
def engine(assignment, fingerprint, cluster):
    said = []
    with DaskEngine(
        assignment, fingerprint, cluster.scheduler_address, isolation=Isolation.NONE, task=task,
        say=said.append,
    ) as made:  # fmt: skip
        made.said = said
        yield made


def job(name: str, text: str) -> Job:
    return Job(name, Submission.from_files({"answer.py": text.encode()}))


def grade(engine, assignment, jobs, **settings):
    return {
        done.name: result
        for done, result in grade_with(engine, jobs, assignment.config, **settings)
    }


def test_jobs_are_graded_on_the_workers(engine, assignment):
    results = grade(engine, assignment, [job(str(i), answer(i / 4)) for i in range(9)])
    assert [results[str(i)].score for i in range(5)] == [0.0, 16.67, 25.0, 41.67, 50.0]
    assert engine.said == [f"the course is on all 2 workers at {assignment.handout.parents[1]}"]


def test_a_worker_killed_in_mid_run_costs_nothing(engine, assignment, cluster):
    victim = next(iter(cluster.workers.values())).process.pid
    jobs = [job(str(i), answer(1, words=f"sleep 0.1, {i}")) for i in range(16)]
    results = {}
    for done, result in grade_with(engine, jobs, assignment.config):
        results[done.name] = result
        if len(results) == 4:
            os.kill(victim, signal.SIGKILL)
    assert [results[str(i)].score for i in range(16)] == [50.0] * 16
    assert not Path(f"/proc/{victim}").exists()


def test_a_job_that_kills_its_grader_is_a_fault_of_the_grader(engine, assignment):
    jobs = [job("bad", answer(words="die")), *(job(str(i), answer(1)) for i in range(3))]
    results = grade(engine, assignment, jobs)
    bad = results.pop("bad")
    assert (bad.status, bad.score) == (Status.GRADER_ERROR, None)
    assert bad.fault == "tried twice: the process that graded it died"
    assert [result.score for result in results.values()] == [50.0] * 3


def test_a_job_that_kills_every_worker_is_not_tried_for_ever(assignment, fingerprint, cluster):
    """As if it took all memory of its machine: Dask's own worker dies with it."""
    with DaskEngine(
        assignment, fingerprint, cluster.scheduler_address, isolation=Isolation.NONE, task=fell
    ) as engine:
        result = grade(engine, assignment, [job("bad", answer(1))])["bad"]
    assert (result.status, result.score) == (Status.GRADER_ERROR, None)
    assert "every worker that graded it died" in result.fault


def test_a_job_without_end_is_ended_on_its_worker(engine, assignment):
    results = grade(engine, assignment, [job("slow", answer(words="sleep 600"))], patience=1.0)
    assert "it took longer than 1 seconds" in results["slow"].fault
    assert grade(engine, assignment, [job("next", answer(1))])["next"].score == 50


def test_an_exception_on_a_worker_is_a_fault_of_the_grader(engine, assignment):
    result = grade(engine, assignment, [job("x", answer(1, words="raise"))])["x"]
    assert result.fault == "tried twice: OSError: it was told to raise"


def test_the_course_is_shipped_to_workers_without_it(assignment, fingerprint, cluster, tmp_path):
    elsewhere = replace(assignment, handout=tmp_path / "nowhere" / "assignments" / "synthetic")
    said = []
    with DaskEngine(
        elsewhere, fingerprint, cluster.scheduler_address, isolation=Isolation.NONE, task=task,
        say=said.append,
    ) as engine:  # fmt: skip
        assert grade(engine, assignment, [job("x", answer(1))])["x"].score == 50
    assert "the course was shipped to the workers" in said[0]
    assert "2 of 2 don't have it" in said[0]


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("suite", "the suite of synthetic at .* is not the one of this regrade; update"),
        ("config", "the config of synthetic at .* is not the one of this regrade"),
        ("package", "this worker has other code of autograder"),
        ("versions", "torch is .* on this worker and 1.0 where the regrade was started"),
    ],
)
def test_a_worker_that_differs_is_refused_in_one_line(assignment, fingerprint, cluster, part, line):
    other = {**fingerprint.versions, "torch": "1.0"} if part == "versions" else "0" * 64
    changed = replace(fingerprint, **{part: other})
    with (
        pytest.raises(InputError, match=rf"tcp://.*: {line}") as refused,
        DaskEngine(assignment, changed, cluster.scheduler_address, isolation=Isolation.NONE),
    ):
        pass
    assert "\n" not in str(refused.value)


def test_a_worker_that_joins_late_is_asked_too(assignment, fingerprint, monkeypatch):
    engine = DaskEngine(assignment, replace(fingerprint, suite="0" * 64), isolation=Isolation.NONE)
    monkeypatch.setattr(ours, "_checked", {})
    with pytest.raises(GraderError, match="the suite of synthetic"):
        grade_remotely(engine._order, None, "key", {})
    assert "the suite of synthetic" in introduce(engine._order)


def test_no_scheduler_is_one_line(assignment, fingerprint, monkeypatch):
    monkeypatch.setattr(ours, "_CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9: no Dask workers .*start workers"),
        DaskEngine(assignment, fingerprint, "tcp://127.0.0.1:9"),
    ):
        pass


def test_without_the_package_the_extra_is_named(assignment, fingerprint, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(InputError, match=r"pip install 'dl-autograder\[cluster\]'"),
        DaskEngine(assignment, fingerprint),
    ):
        pass


def test_a_shipment_is_a_course_with_the_same_fingerprint(assignment, fingerprint):
    course = unpack(pack(assignment))
    from autograder.assignment import load_assignment

    assert take_fingerprint(load_assignment(course, assignment.id), "none") == fingerprint
    assert course.root != Course(assignment.handout.parents[1]).root
    assert (course.root.stat().st_mode & 0o077) == 0
    assert pack(assignment) == pack(assignment)


class Workers:
    """The scheduler's view of a cluster, with and without GPUs."""

    def __init__(self, **gpus: int) -> None:
        self.view = {
            name: {"nthreads": 2, "resources": {"GPU": count} if count else {}}
            for name, count in gpus.items()
        }

    def scheduler_info(self, n_workers):
        return {"workers": self.view}


@pytest.mark.parametrize(
    ("gpus", "gpu_job", "placement"),
    [
        ({"a": 0, "b": 0}, False, {}),
        ({"a": 0, "b": 1}, False, {"workers": ["a"]}),
        ({"a": 0, "b": 1}, True, {"resources": {"GPU": 1}}),
        ({"a": 1, "b": 1}, False, {"resources": {"GPU": 1}}),
    ],
)
def test_what_measures_goes_to_a_gpu_and_nothing_else_disturbs_it(
    assignment, fingerprint, gpus, gpu_job, placement
):
    engine = DaskEngine(assignment, fingerprint)
    engine._client = Workers(**gpus)
    assert engine._placement(replace(job("x", ""), gpu=gpu_job)) == placement
    assert engine.times_apart is (0 < sum(gpus.values()) < len(gpus))
    assert engine.slots == 8
