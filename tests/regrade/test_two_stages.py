"""Correctness here, speed on machines with a GPU: one stored result in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autograder.errors import InputError
from autograder.outcome import Failure, Outcome
from autograder.regrade.store import Store
from autograder.result import Status
from autograder.timing import TAG
from benchmarks.synthetic import InlineEngine, answer

TIMED = "gamma/check_5"


class Cluster(InlineEngine):
    """The last check of gamma needs the clock, which only jobs with `gpu` meet."""

    times_apart = True

    def __init__(self, config, *, broken=False):
        super().__init__(config)
        self.broken = broken

    def submit(self, job):
        future = super().submit(job)
        result = future.result()
        exercises = tuple(
            replace(e, checks=tuple(self._timed(c, job) for c in e.checks))
            for e in result.exercises
        )
        exercises = tuple(
            replace(e, score=round(sum(c.score for c in e.checks), 2)) for e in exercises
        )
        result = replace(result, exercises=exercises, score=sum(e.score for e in exercises))
        if job.gpu and self.broken:
            result = replace(result, status=Status.GRADER_ERROR, score=None, fault="no GPU left")
        made = type(future)()
        made.set_result(result)
        return made

    def _timed(self, check, job):
        if check.id != TIMED:
            return check
        check = replace(check, tags=(TAG,))
        if job.gpu:
            return check
        return replace(check, outcome=Outcome.NOT_RUN, score=0.0, failure=Failure("no GPU"))


@pytest.fixture
def fast(tmp_path, hand_in):
    """Two whose gamma is right, one whose gamma is wrong from the first check on."""
    hand_in(tmp_path / "cohort", "ada", answer(1, 1, 1))
    hand_in(tmp_path / "cohort", "bob", answer(0, 0, 0.9))
    hand_in(tmp_path / "cohort", "cyd", answer(1, 0, 0))
    return tmp_path / "cohort"


def graded(path):
    with Store(path) as store:
        return {g.submission: g for g in store.gradebook().grades}


def test_only_right_answers_are_timed_and_only_their_exercise(regrade, fast):
    engine = Cluster(regrade.assignment.config)
    _, tally = regrade(fast, make_engine=lambda: engine)
    assert [job.only for job in engine.jobs if job.gpu] == [("gamma",), ("gamma",)]
    assert (tally.graded, tally.stored) == (3, 3)
    grades = graded(regrade.path)
    assert [grades[name].score for name in ("ada", "bob", "cyd")] == [100, 20, 50]
    timed = grades["ada"].result.exercises[2].checks[5]
    assert (timed.id, timed.outcome) == (TIMED, Outcome.PASSED)


def test_the_merged_result_is_known_from_then_on(regrade, fast):
    regrade(fast, make_engine=lambda: Cluster(regrade.assignment.config))
    _, tally = regrade(fast, make_engine=lambda: pytest.fail("nothing was left to do"))
    assert tally.known == 3


def test_what_could_not_be_timed_keeps_its_points_and_is_tried_again(regrade, fast):
    _, tally = regrade(fast, make_engine=lambda: Cluster(regrade.assignment.config, broken=True))
    assert (tally.graded, tally.faults) == (1, 2)
    assert graded(regrade.path)["ada"].score == pytest.approx(96.67)
    engine = Cluster(regrade.assignment.config)
    _, tally = regrade(fast, make_engine=lambda: engine)
    assert (tally.graded, tally.known, len(engine.jobs)) == (2, 1, 4)
    assert graded(regrade.path)["ada"].score == 100


def test_one_machine_that_does_it_all_needs_one_stage(regrade, fast):
    engine = Cluster(regrade.assignment.config)
    engine.times_apart = False
    regrade(fast, make_engine=lambda: engine)
    assert not any(job.gpu for job in engine.jobs)
    assert graded(regrade.path)["ada"].score == pytest.approx(96.67)


def test_timing_without_a_result_is_refused(regrade, fast):
    run, _ = regrade(fast)
    with Store(regrade.path, write=True) as store:
        result = store.result(1)
        with pytest.raises(InputError, match="no result to add the timing to; regrade first"):
            store.add_timing(run, [], "0" * 64, result)
