"""What a run grades, and what it doesn't."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from autograder.errors import GraderError, InputError
from autograder.regrade.batch import write_results
from autograder.regrade.records import Options
from autograder.regrade.store import Store
from benchmarks.synthetic import InlineEngine, answer

EVERYTHING = {"ada": 100.0, "bob": 25.0, "cyd": 65.0, "dan": 0.0, "eve": 0.0}


def test_a_run_grades_everything_and_equal_submissions_once(regrade, cohort, scores):
    run, tally = regrade(cohort)
    assert scores(regrade.path) == EVERYTHING
    assert len(regrade.graded) == 4
    assert (tally.graded, tally.known, tally.stored) == (4, 1, 5)
    assert run.id == 1


def test_equal_submissions_in_flight_are_graded_once(regrade, cohort, hand_in, scores):
    """The second one comes while the first is being graded."""

    class Slow(InlineEngine):
        slots = 10

    engine = Slow(regrade.assignment.config)
    for student in ("bob", "cyd"):
        hand_in(cohort, student, answer(0, 0, 0))
    regrade(cohort, make_engine=lambda: engine)
    assert len(engine.jobs) == 2
    assert scores(regrade.path) == {"ada": 100.0, "bob": 0, "cyd": 0, "dan": 0, "eve": 0}


def test_what_is_known_is_not_graded_again(regrade, cohort, scores):
    regrade(cohort)
    run, tally = regrade(cohort)
    assert regrade.graded == []
    assert (tally.graded, tally.known, tally.stored) == (0, 5, 5)
    assert (run.id, scores(regrade.path)) == (2, EVERYTHING)


def test_only_what_changed_is_graded(regrade, cohort, hand_in, scores):
    regrade(cohort)
    hand_in(cohort, "bob", answer(1, 0, 0))
    hand_in(cohort, "fay", answer(0, 0, 1))
    _, tally = regrade(cohort)
    assert (tally.graded, tally.known) == (2, 4)
    assert scores(regrade.path) == {**EVERYTHING, "bob": 50.0, "fay": 20.0}
    assert scores(regrade.path, 1) == EVERYTHING


@pytest.mark.parametrize("component", ["suite", "config", "package", "environment"])
def test_a_changed_component_regrades_everybody(regrade, cohort, component):
    regrade(cohort)
    _, tally = regrade(cohort, components={component: "changed"})
    assert len(regrade.graded) == 4
    # … and going back to the former one grades nothing: it is still known.
    _, tally = regrade(cohort)
    assert (tally.graded, tally.known) == (0, 5)


def test_other_notes_are_another_submission(regrade, cohort):
    """The digest of files alone is equal; the result tells students what else was ignored."""
    (cohort / "dan" / "notes.txt").write_text("hello")
    regrade(cohort)
    assert len(regrade.graded) == 5
    with Store(regrade.path) as store:
        said = {g.submission: g.result.messages for g in store.gradebook().grades}
    assert said["dan"] == ("ignored 1 other file.",)
    assert said["eve"] == ()


def test_force_grades_what_is_known_and_keeps_the_old_result(regrade, cohort):
    regrade(cohort)
    _, tally = regrade(cohort, options=Options(force=True))
    assert (tally.graded, tally.known, len(regrade.graded)) == (4, 1, 4)
    with Store(regrade.path) as store:
        old = {s.name: s.result for s in store.standings(1)}
        new = {s.name: s.result for s in store.standings(2)}
    assert not set(old.values()) & set(new.values())


def test_only_an_exercise_merges_into_the_stored_result(regrade, cohort, scores):
    regrade(cohort)

    class Generous(InlineEngine):
        def submit(self, job):
            text = answer(1, 1, 1).encode()
            files = replace(job, submission=type(job.submission).from_files({"answer.py": text}))
            return super().submit(files)

    _, tally = regrade(
        cohort,
        components={"suite": "with another beta"},
        options=Options(only=("beta",)),
        make_engine=lambda: Generous(regrade.assignment.config),
    )
    assert tally.graded == 4
    assert scores(regrade.path) == {
        "ada": 100.0, "bob": 55.0, "cyd": 80.0, "dan": 30.0, "eve": 30.0,
    }  # fmt: skip
    with Store(regrade.path) as store:
        result = next(g.result for g in store.gradebook().grades if g.submission == "bob")
    assert result.score == sum(exercise.score for exercise in result.exercises)
    assert [check.outcome.value for check in result.exercises[0].checks].count("passed") == 3
    # The other exercises are of the older suite: a whole run under the new one grades everything.
    _, tally = regrade(cohort, components={"suite": "with another beta"})
    assert tally.graded == 4


def test_only_an_exercise_of_unknown_submissions_leaves_the_others_out(regrade, cohort, scores):
    options = Options(only=("alpha",))
    regrade(cohort, options=options)
    assert scores(regrade.path)["cyd"] == 50.0
    _, tally = regrade(cohort, options=options)
    assert (tally.graded, tally.known) == (0, 5)
    regrade(cohort, options=Options(only=("beta", "gamma")))
    assert scores(regrade.path) == EVERYTHING
    _, tally = regrade(cohort)
    assert (tally.graded, tally.known) == (0, 5), "exercise by exercise is the whole too"


def test_faults_of_the_grader_have_no_score_and_are_tried_again(regrade, cohort, hand_in, scores):
    hand_in(cohort, "bob", answer(1, words="fault"))
    _, tally = regrade(cohort)
    assert (tally.graded, tally.known, tally.faulty) == (3, 1, ["bob"])
    assert scores(regrade.path) == {**EVERYTHING, "bob": None}
    _, tally = regrade(cohort)
    assert (tally.faults, tally.known, len(regrade.graded)) == (1, 4, 1)


def test_failed_grades_only_what_has_no_grade(regrade, cohort, hand_in, scores):
    hand_in(cohort, "bob", answer(1, words="fault"))
    (cohort / "zoe.zip").write_bytes(b"not a zip")
    _, tally = regrade(cohort)
    assert (tally.graded, tally.faults, tally.unreadable) == (3, 1, 1)
    hand_in(cohort, "bob", answer(1))
    hand_in(cohort, "ada", answer(0))
    _, tally = regrade(cohort, options=Options(failed=True), components={"suite": "changed"})
    assert (tally.graded, tally.known, tally.unreadable) == (1, 4, 1)
    # Ada keeps her grade, although she handed in something else: --failed looks at nothing else.
    assert scores(regrade.path) == {**EVERYTHING, "bob": 50.0, "zoe.zip": None}


def test_unreadable_submissions_are_recorded_with_their_line(regrade, cohort):
    (cohort / "zoe.zip").write_bytes(b"PK\x03\x04 broken")
    _, tally = regrade(cohort)
    assert tally.unreadable == 1
    with Store(regrade.path) as store:
        grade = next(g for g in store.gradebook().grades if g.submission == "zoe.zip")
    assert (grade.result, grade.score) == (None, None)
    assert "zoe.zip: the archive is damaged" in grade.error


class Interrupted(InlineEngine):
    """Ctrl-C while the third submission is being graded."""

    def submit(self, job):
        if len(self.jobs) == 2:
            raise KeyboardInterrupt
        return super().submit(job)


@pytest.mark.parametrize("force", [False, True])
def test_an_interrupted_run_is_resumed_in_its_place(regrade, cohort, scores, force):
    options = Options(force=force)
    if force:
        regrade(cohort)
    with pytest.raises(KeyboardInterrupt):
        regrade(cohort, options=options, make_engine=lambda: Interrupted(regrade.assignment.config))
    run, _ = regrade(cohort, options=options)
    assert run.id == 1 + force
    assert run.resumed
    assert len(regrade.graded) == 2, "two of four different ones were stored before"
    assert scores(regrade.path) == EVERYTHING


def test_what_vanished_before_a_resumption_is_dropped(regrade, cohort, scores):
    with pytest.raises(KeyboardInterrupt):
        regrade(cohort, make_engine=lambda: Interrupted(regrade.assignment.config))
    (cohort / "ada").rename(cohort / "amy")
    regrade(cohort)
    assert scores(regrade.path) == {"amy": 100.0} | {k: EVERYTHING[k] for k in list(EVERYTHING)[1:]}


def test_an_interrupted_run_with_another_plan_is_left_alone(regrade, cohort):
    with pytest.raises(KeyboardInterrupt):
        regrade(cohort, make_engine=lambda: Interrupted(regrade.assignment.config))
    run, _ = regrade(cohort, components={"suite": "changed"})
    assert run.id == 2
    with Store(regrade.path) as store:
        assert [r.finished is not None for r in store.runs()] == [False, True]


def test_nothing_known_needs_no_engine(regrade, cohort):
    regrade(cohort)
    regrade(cohort, make_engine=lambda: pytest.fail("an engine was started"))


def test_a_grader_that_cannot_start_ends_the_run(regrade, cohort):
    class Broken(InlineEngine):
        def submit(self, job):
            future = super().submit(job)
            broken = type(future)()
            broken.set_exception(GraderError("strict isolation isn't available"))
            return broken

    with pytest.raises(GraderError, match="strict isolation"):
        regrade(cohort, make_engine=lambda: Broken(regrade.assignment.config))


def test_a_store_belongs_to_one_assignment(regrade, cohort):
    regrade(cohort)
    with pytest.raises(InputError, match="holds grades of synthetic, not of a9; choose another"):
        regrade(cohort, config={"id": "a9"})


def test_results_are_written_for_known_submissions_too(regrade, cohort, tmp_path):
    regrade(cohort)
    run, _ = regrade(cohort)
    with Store(regrade.path) as store:
        write_results(store, run, tmp_path / "out")
    report = json.loads((tmp_path / "out" / "cyd" / "results.json").read_text())
    assert report["score"] == 65.0
    canonical = json.loads((tmp_path / "out" / "cyd" / "result.json").read_text())
    assert canonical["exercises"][1]["score"] == 15.0


def test_a_name_that_is_no_text_is_a_name(regrade, cohort, hand_in, scores):
    hand_in(cohort, os.fsdecode(b"caf\xe9"), answer(1))
    regrade(cohort)
    assert scores(regrade.path) == {**EVERYTHING, "caf_udce9": 50.0}


def test_progress_counts_every_submission_once(regrade, cohort):
    seen = []
    regrade(cohort, watch=lambda student, count: seen.append(count))
    assert sum(seen) == 5
