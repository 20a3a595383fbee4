"""Difficulty, discrimination, misconceptions, repeats: against numbers worked out apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autograder.outcome import Failure, Outcome
from autograder.reports.statistics import ENOUGH, correlation, describe
from autograder.result import LEFT_OUT, Status


def by_id(cohort):
    return {check.id: check for check in cohort.checks}


def test_the_headline_counts_students_not_submissions(book):
    head = describe(book).headline
    assert (head.students, head.scored, head.unscored) == (10, 8, 2)
    assert (head.full, head.zero, head.rejected, head.late) == (1, 1, 1, 1)
    assert (head.changed, head.superseded) == (1, 1)
    scores = [10, 7, 8, 7, 0, 8, 7, 7]
    assert head.mean == pytest.approx(np.mean(scores))
    assert head.median == np.median(scores)
    assert head.deviation == pytest.approx(np.std(scores, ddof=1))


def test_every_score_is_in_one_bin_and_the_edges_are_where_they_say(making):
    scores = [0, 0.99, 1, 4.999, 5, 9, 9.99, 10]
    grades = [
        making.grade(f"s{i}", f"S{i}", making.result(), score=score)
        for i, score in enumerate(scores)
    ]
    bins = {bin_.low: bin_.students for bin_ in describe(making.gradebook(*grades)).bins}
    assert bins == {0: 2, 10: 1, 20: 0, 30: 0, 40: 1, 50: 1, 60: 0, 70: 0, 80: 0, 90: 3}


def test_difficulty_and_discrimination_are_numpys(cohort_of):
    book = cohort_of(200)
    cohort = describe(book)
    results = [grade.result for grade in book.grades]
    earning = [result for result in results if result.score > 0]
    assert (cohort.graded, cohort.discriminating) == (200, len(earning))
    assert len(earning) < 200
    for j, exercise in enumerate(cohort.exercises):
        own = np.array([result.exercises[j].score for result in results])
        assert exercise.difficulty == pytest.approx(own.mean() / exercise.points)
        own = np.array([result.exercises[j].score for result in earning])
        rest = np.array([result.score for result in earning]) - own
        assert exercise.discrimination == pytest.approx(np.corrcoef(own, rest)[0, 1])
        for k, check in enumerate(exercise.checks):
            own = np.array([result.exercises[j].checks[k].score for result in earning])
            rest = np.array([result.score for result in earning]) - own
            assert check.discrimination == pytest.approx(np.corrcoef(own, rest)[0, 1])
            assert check.passed == sum(
                result.exercises[j].checks[k].outcome is Outcome.PASSED for result in results
            )


def test_an_item_is_not_correlated_with_itself(making):
    """Of two independent items, each alone decides half of the total, and tells nothing of it."""
    wrong = {
        name: making.check(f"{name}/forward", Outcome.FAILED, failure=making.wrong)
        for name in ("matmul", "bias")
    }
    grades = [
        making.grade(f"s{i}", f"S{i}", making.result(*([wrong["matmul"]] * (i % 2)),
                                                     *([wrong["bias"]] * (i // 2 % 2))))
        for i in range(40)
    ]  # fmt: skip
    cohort = describe(making.gradebook(*grades))
    assert [e.discrimination for e in cohort.exercises] == pytest.approx([0, 0], abs=1e-12)


@pytest.mark.parametrize(("n", "given"), [(ENOUGH - 1, False), (ENOUGH, True)])
def test_few_students_have_no_discrimination(n, given):
    pairs = [(float(i % 2), float(i % 3)) for i in range(n)]
    assert (correlation(pairs) is not None) is given


def test_what_does_not_vary_has_no_discrimination():
    assert correlation([(1.0, float(i)) for i in range(50)]) is None
    assert correlation([(float(i), 2.0) for i in range(50)]) is None


def test_rejected_and_broken_results_are_in_no_difficulty(making):
    broken = making.result(
        making.check("bias/forward", Outcome.GRADER_ERROR), status=Status.GRADER_ERROR, score=None
    )
    book = making.gradebook(
        making.grade("s1", "A", making.result()),
        making.grade("s2", "B", making.rejected()),
        making.grade("s3", "C", broken),
        making.grade("s4", "D", None, error="unreadable"),
    )
    cohort = describe(book)
    assert cohort.graded == 1
    assert [exercise.difficulty for exercise in cohort.exercises] == [1.0, 1.0]


def test_what_was_not_asked_for_is_in_no_number(making):
    left = [
        making.check(f"bias/{name}", Outcome.NOT_RUN, failure=LEFT_OUT)
        for name in ("forward", "mutation")
    ]
    book = making.gradebook(
        making.grade("s1", "A", making.result()), making.grade("s2", "B", making.result(*left))
    )
    bias = describe(book).exercises[1]
    assert (bias.graded, bias.difficulty, bias.checks[0].graded) == (1, 1.0, 1)


def test_a_misconception_counts_once_per_submission(making):
    twice = making.result(
        making.check("matmul/forward", Outcome.FAILED, failure=making.wrong),
        making.check("matmul/gradients", Outcome.FAILED, failure=making.wrong),
    )
    other = making.result(
        making.check("bias/forward", Outcome.FAILED, failure=Failure("x", misconception="sign"))
    )
    book = making.gradebook(
        making.grade("s1", "A", twice), making.grade("s2", "B", twice),
        making.grade("s3", "C", other), making.grade("s4", "D", twice, counts=False),
    )  # fmt: skip
    ideas = [(idea.id, idea.exercise, idea.grades, idea.hint) for idea in describe(book).ideas]
    assert ideas == [
        ("forgets_the_transpose", "matmul", 2, "You forgot to transpose."),
        ("sign", "bias", 1, ""),
    ]


def test_the_same_files_that_end_differently_are_unsteady(making):
    late = making.result(making.check("bias/mutation", Outcome.TIMED_OUT, seconds=4.0))
    one = making.grade("s1", "A", making.result(), digest="abc")
    book = making.gradebook(
        one,
        replace(one, submission="s2", result=late, counts=False),
        making.grade("s3", "B", late, digest="other"),
    )
    cohort = describe(book)
    assert cohort.repeats == 1
    assert {id_: check.unsteady for id_, check in by_id(cohort).items() if check.unsteady} == {
        "bias/mutation": 1
    }
    assert by_id(cohort)["bias/mutation"].unclean == 1
    assert by_id(cohort)["bias/mutation"].slowest_seconds == 4.0


def test_a_check_that_nobody_passes_is_remarked(making):
    failed = making.check("bias/forward", Outcome.FAILED, failure=making.wrong)
    grades = [making.grade(f"s{i}", f"S{i}", making.result(failed)) for i in range(5)]
    remarks = {c.id: c.remark for c in describe(making.gradebook(*grades)).checks}
    assert remarks["bias/forward"] == "nobody earns anything"
    assert remarks["bias/mutation"] == ""
    fewer = describe(making.gradebook(*grades[:4])).checks
    assert {check.remark for check in fewer} == {""}


def test_a_check_that_the_strong_fail_is_remarked(making):
    failed = {
        id_: making.check(id_, Outcome.FAILED, failure=making.wrong)
        for id_ in ("matmul/forward", "matmul/gradients", "bias/mutation")
    }
    strong = making.result(failed["bias/mutation"])
    weak = making.result(failed["matmul/forward"], failed["matmul/gradients"])
    grades = [
        making.grade(f"s{i}", f"S{i}", strong if i % 2 else weak) for i in range(40)
    ]  # fmt: skip
    check = by_id(describe(making.gradebook(*grades)))["bias/mutation"]
    assert check.discrimination == pytest.approx(-1)
    assert check.remark == "stronger students do worse"


def test_an_empty_book_has_numbers_too(making):
    cohort = describe(making.gradebook())
    assert cohort.headline.mean is None
    assert cohort.checks == []
    assert sum(bin_.students for bin_ in cohort.bins) == 0
