"""Whose grade changed, and why: one test per cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from autograder.config import Attempts, Late
from autograder.errors import InputError
from autograder.regrade.difference import Cause, compare, compare_with_platform
from autograder.regrade.records import Options
from autograder.regrade.store import Store
from autograder.submission import Submission
from benchmarks.synthetic import InlineEngine, answer


class Otherwise(InlineEngine):
    """A grader that reads every answer as another one."""

    def __init__(self, config, text):
        super().__init__(config)
        self.text = text

    def submit(self, job):
        files = {"answer.py": self.text.encode()}
        return super().submit(replace(job, submission=Submission.from_files(files)))


@pytest.fixture
def otherwise(assignment):
    """Engines that grade everything as if it were `text`."""
    return lambda text: lambda: Otherwise(assignment.config, text)


@pytest.fixture
def changes(regrade):
    """The changes between two runs (the last two), by student."""

    def between(old=None, new=None):
        with Store(regrade.path) as store:
            ids = [run.id for run in store.runs()]
            difference = compare(store, store.run(old or ids[-2]), store.run(new or ids[-1]))
        names = [change.student for change in difference.changes]
        assert len(set(names)) == len(names)
        return {change.student: change for change in difference.changes}

    return between


def test_nothing_changed_says_nothing(regrade, cohort, changes):
    regrade(cohort)
    regrade(cohort)
    assert changes() == {}


def test_another_suite_with_the_same_grades_says_nothing(regrade, cohort, changes):
    regrade(cohort)
    regrade(cohort, components={"suite": "changed"})
    assert changes() == {}


def test_a_changed_submission_names_its_checks(regrade, cohort, hand_in, changes):
    regrade(cohort)
    hand_in(cohort, "cyd", answer(1, 1 / 3, 0))
    regrade(cohort)
    (change,) = changes().values()
    assert (change.student, change.old, change.new) == ("cyd", 65.0, 60.0)
    assert change.causes == (Cause.SUBMISSION,)
    assert change.down
    (check,) = change.checks
    assert (check.check, check.exercise) == ("beta/check_2", "beta")
    assert (check.old_outcome, check.new_outcome) == ("passed", "failed")
    assert (check.old_score, check.new_score) == (5.0, 0.0)
    assert check.misconception == "forgets_beta"


@pytest.mark.parametrize("component", ["suite", "config", "package", "environment"])
def test_a_changed_component_is_the_cause(regrade, cohort, changes, otherwise, component):
    regrade(cohort)
    regrade(cohort, components={component: "changed"}, make_engine=otherwise(answer(0.5, 0, 0)))
    found = changes()
    assert set(found) == {"ada", "cyd", "dan", "eve"}, "bob's grade is the same"
    assert all(change.causes == (Cause(component),) for change in found.values())
    assert [name for name, change in found.items() if change.down] == ["ada", "cyd"]
    assert list(found)[:2] == ["ada", "cyd"], "who loses most comes first"


def test_several_causes_are_all_named(regrade, cohort, hand_in, changes):
    regrade(cohort)
    hand_in(cohort, "bob", answer(1))
    regrade(cohort, components={"suite": "changed", "environment": "changed"})
    assert changes()["bob"].causes == (Cause.SUBMISSION, Cause.SUITE, Cause.ENVIRONMENT)


def test_the_cause_is_the_results_own_not_the_runs(regrade, cohort, hand_in, changes):
    """A grade that was known from before has the fingerprint it was graded under."""
    regrade(cohort, components={"suite": "old"})
    hand_in(cohort, "bob", answer(0, 1))
    regrade(cohort, options=Options(failed=True))
    assert changes() == {}
    with Store(regrade.path) as store:
        difference = compare(store, store.run(1), store.run(2))
    assert (difference.components, difference.unchanged) == (("suite",), 5)


def test_a_grade_that_changes_by_itself_is_chance(regrade, cohort, changes, otherwise):
    regrade(cohort)
    regrade(cohort, options=Options(force=True), make_engine=otherwise(answer(0.5, 0, 0)))
    assert changes()["ada"].causes == (Cause.CHANCE,)


def test_a_fault_of_the_grader_is_a_grade_lost_and_found(regrade, cohort, changes, otherwise):
    regrade(cohort)
    regrade(cohort, options=Options(force=True), make_engine=otherwise("# fault"))
    lost = changes()["ada"]
    assert (lost.old, lost.new, lost.causes) == (100.0, None, (Cause.FAULT,))
    assert lost.down
    regrade(cohort)
    assert changes()["ada"].causes == (Cause.FAULT,)
    assert not changes()["ada"].down


def test_grading_only_some_exercises_is_a_cause_of_its_own(regrade, cohort, changes):
    regrade(cohort, options=Options(only=("alpha",)))
    regrade(cohort)
    change = changes()["ada"]
    assert (change.old, change.new, change.causes) == (50.0, 100.0, (Cause.PARTIAL,))


def test_who_comes_and_who_goes_is_listed(regrade, cohort, changes):
    regrade(cohort)
    (cohort / "ada").rename(cohort / "amy")
    regrade(cohort)
    found = changes()
    assert (found["ada"].gone, found["ada"].old, found["ada"].down) == (True, 100.0, True)
    assert (found["amy"].appeared, found["amy"].new, found["amy"].down) == (True, 100.0, False)


def test_a_submission_that_cannot_be_read_any_more_is_a_grade_lost(regrade, cohort, changes):
    (cohort / "zoe.py").write_text(answer(1))
    regrade(cohort)
    (cohort / "zoe.py").unlink()
    (cohort / "zoe.py").symlink_to("/etc/passwd")
    regrade(cohort)
    change = changes()["zoe.py"]
    assert (change.old, change.new, change.causes) == (50.0, None, (Cause.SUBMISSION,))
    assert change.down


DUE = datetime(2026, 10, 10, 12, tzinfo=UTC)


@pytest.fixture
def export(tmp_path):
    """Write a Gradescope export: id → (name, sid, created_at, old score, text)."""

    def write(entries):
        folder = tmp_path / "export"
        lines = []
        for key, (name, sid, created, score, text) in entries.items():
            (folder / f"submission_{key}").mkdir(parents=True, exist_ok=True)
            (folder / f"submission_{key}" / "answer.py").write_text(text)
            lines += [
                f"submission_{key}:", "  :submitters:", f"  - :name: {name}", f"    :sid: {sid}",
                f"  :created_at: {created}", f"  :score: {score}",
            ]  # fmt: skip
        (folder / "submission_metadata.yml").write_text("\n".join(lines) + "\n")
        return folder

    return write


def test_another_late_policy_is_a_cause_of_its_own(regrade, export, changes):
    folder = export({1: ("Ada", "7", "2026-10-11 11:00:00 Z", "", answer(1, 1, 1))})
    regrade(folder, config={"late": Late(due=DUE, per_day=0.1)})
    regrade(folder, config={"late": Late(due=DUE, per_day=0.25)})
    assert regrade.graded == [], "the late policy is no reason to grade anything"
    change = changes()["Ada"]
    assert (change.old, change.new) == (90.0, 75.0)
    assert (change.old_raw, change.new_raw) == (100.0, 100.0)
    assert change.causes == (Cause.LATE_POLICY,)
    assert change.down


def test_another_timestamp_is_a_cause(regrade, export, changes):
    policy = {"late": Late(due=DUE, per_day=0.1)}
    regrade(export({1: ("Ada", "7", "2026-10-11 11:00:00 Z", "", answer(1))}), config=policy)
    regrade(export({1: ("Ada", "7", "2026-10-09 11:00:00 Z", "", answer(1))}), config=policy)
    change = changes()["Ada"]
    assert (change.old, change.new, change.causes) == (45.0, 50.0, (Cause.TIMESTAMP,))


def test_students_are_matched_by_their_id_over_submissions(regrade, export, changes):
    first = {1: ("Ada", "7", "2026-10-09 11:00:00 Z", "", answer(1, 1))}
    regrade(export(first))
    second = {**first, 2: ("Ada L.", "7", "2026-10-09 12:00:00 Z", "", answer(1))}
    regrade(export(second))
    change = changes()["Ada L."]
    assert (change.old, change.new, change.causes) == (80.0, 50.0, (Cause.ATTEMPT,))
    regrade(export(second), config={"late": Late(attempts=Attempts.BEST)})
    assert changes(1, 3) == {}


def test_the_platforms_old_scores_are_a_baseline(regrade, export):
    folder = export(
        {
            1: ("Ada", "7", "2026-10-09 11:00:00 Z", "60.0", answer(1)),
            2: ("Bob", "8", "2026-10-09 11:00:00 Z", "20", answer(0, 0, 1)),
            3: ("Cyd", "9", "2026-10-09 11:00:00 Z", "", answer(1)),
            4: ("Dan", "10", "2026-10-09 11:00:00 Z", "0", answer(1, 1)),
        }
    )
    run, _ = regrade(folder)
    with Store(regrade.path) as store:
        difference = compare_with_platform(store, run)
    assert [(c.student, c.old, c.new, c.down) for c in difference.changes] == [
        ("Ada", 60.0, 50.0, True), ("Dan", 0.0, 80.0, False),
    ]  # fmt: skip
    assert difference.unchanged == 1


def test_a_source_without_old_scores_has_no_baseline(regrade, cohort):
    run, _ = regrade(cohort)
    with Store(regrade.path) as store, pytest.raises(InputError, match="found no old scores"):
        compare_with_platform(store, run)


def test_json_says_it_all_in_plain_types(regrade, cohort, hand_in):
    import json

    regrade(cohort)
    hand_in(cohort, "ada", answer(0))
    regrade(cohort)
    with Store(regrade.path) as store:
        data = compare(store, store.run(1), store.run(2)).to_json()
    again = json.loads(json.dumps(data, allow_nan=False))
    assert (again["old"], again["new"], again["down"], again["unchanged"]) == (1, 2, 1, 4)
    assert again["changes"][0]["causes"] == ["submission"]
    assert len(again["changes"][0]["checks"]) == 18
