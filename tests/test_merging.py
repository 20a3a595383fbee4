"""Merging the results of two stages: who decides what, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autograder.cli import app
from autograder.errors import InputError
from autograder.merging import merge, noted, pending
from autograder.outcome import Failure, Outcome
from autograder.result import CheckResult, ExerciseResult, Result, Status

PASSED, FAILED, NOT_RUN, ERROR = (
    Outcome.PASSED, Outcome.FAILED, Outcome.NOT_RUN, Outcome.GRADER_ERROR,
)  # fmt: skip
NO_GPU = Failure("not run: no GPU on this machine; it is timed on one that has a GPU")
Ending = tuple[Outcome, float | None]
PENDING: Ending = (NOT_RUN, 0.0)


def check(name: str, ending: Ending, *tags: str, most: float = 5.0) -> CheckResult:
    outcome, score = ending
    failure = None if outcome is PASSED else NO_GPU
    return CheckResult(f"e/{name}", name, outcome, score, most, failure=failure, tags=tags)


def result(values: Ending, time: Ending, **changes: object) -> Result:
    """A result of one exercise with a check of values and one of speed, 5 points each."""
    checks = (check("values", values), check("time", time, "timing"))
    scores = [c.score for c in checks]
    total = None if None in scores else sum(score for score in scores if score is not None)
    made = Result(
        "a8", "Kernels", Status.GRADER_ERROR if total is None else Status.GRADED, total, 10.0,
        (ExerciseResult("e", "E", total, 10.0, checks),),
        versions={"autograder": "1", "torch": "2"},
        fault="it broke" if total is None else None,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def ended(merged: Result) -> list[Ending]:
    return [(c.outcome, c.score) for e in merged.exercises for c in e.checks]


def test_the_second_stage_supplies_what_the_first_could_not_run() -> None:
    merged = merge(result((PASSED, 5.0), PENDING), result(PENDING, (FAILED, 3.5)))
    assert ended(merged) == [(PASSED, 5.0), (FAILED, 3.5)]
    assert (merged.score, merged.max_score, merged.status) == (8.5, 10.0, Status.GRADED)
    assert merged.exercises[0].score == 8.5


def test_the_order_of_unmixed_stages_does_not_matter() -> None:
    cpu, gpu = result((PASSED, 5.0), PENDING), result(PENDING, (PASSED, 5.0))
    assert ended(merge(cpu, gpu)) == ended(merge(gpu, cpu))


def test_speed_does_not_count_while_the_values_are_wrong() -> None:
    merged = merge(result((FAILED, 0.0), PENDING), result(PENDING, (PASSED, 5.0)))
    assert ended(merged) == [(FAILED, 0.0), (NOT_RUN, 0.0)]
    failure = merged.exercises[0].checks[1].failure
    assert failure is not None
    assert failure.rationale == "counts only once this passes: values"


def test_values_that_both_have_judged_count_as_the_stricter_did() -> None:
    # The interpreter on a CPU accepts what a GPU refuses.
    merged = merge(result((PASSED, 5.0), PENDING), result((FAILED, 0.0), (PASSED, 5.0)))
    assert ended(merged) == [(FAILED, 0.0), (NOT_RUN, 0.0)]
    assert merged.score == 0.0


def test_an_inconclusive_measurement_has_no_score_and_can_be_made_up_for() -> None:
    cpu = result((PASSED, 5.0), PENDING)
    torn = merge(cpu, result(PENDING, (ERROR, None)))
    assert (torn.status, torn.score, torn.fault) == (Status.GRADER_ERROR, None, "it broke")
    again = merge(torn, result(PENDING, (PASSED, 5.0)))
    assert (again.status, again.score, again.fault) == (Status.GRADED, 10.0, None)


def test_a_fault_of_ours_is_not_covered_up_by_the_other_machine() -> None:
    merged = merge(result((ERROR, None), PENDING), result((PASSED, 5.0), (PASSED, 5.0)))
    assert merged.score is None
    assert merged.status is Status.GRADER_ERROR


def test_a_rejected_submission_stays_rejected() -> None:
    none = result(PENDING, PENDING, status=Status.REJECTED, score=0.0, messages=("no kernels.py",))
    merged = merge(none, none)
    assert (merged.status, merged.score) == (Status.REJECTED, 0.0)
    assert merged.messages[0] == "no kernels.py"


def test_what_is_still_pending_is_said_until_it_is_not() -> None:
    cpu = noted(result((PASSED, 5.0), PENDING, messages=("a note",)))
    line = "still to be timed: e (5 points); these points are not in yet"
    assert cpu.messages == ("a note", line)
    assert noted(cpu) == cpu
    assert [c.id for c in pending(cpu)] == ["e/time"]
    assert merge(cpu, result(PENDING, PENDING)).messages == ("a note", line)
    done = merge(cpu, result(PENDING, (PASSED, 5.0), messages=("only timing was graded",)))
    assert done.messages == ("a note", "only timing was graded")


def test_the_second_machine_is_named_where_it_differs() -> None:
    gpu = result(
        PENDING, (PASSED, 5.0), versions={"autograder": "1", "torch": "2+cu"}, seconds=2.0,
        isolation={"uid": "missing"}, complete=False,
    )  # fmt: skip
    merged = merge(result((PASSED, 5.0), PENDING, seconds=1.0, isolation={"uid": "active"}), gpu)
    assert merged.versions == {"autograder": "1", "torch": "2", "torch (timing)": "2+cu"}
    assert merged.isolation == {"uid": "active", "uid (timing)": "missing"}
    assert merged.seconds == 3.0
    assert not merged.complete


OTHER_MAXIMUM = replace(
    result((PASSED, 5.0), PENDING),
    exercises=(ExerciseResult("e", "E", 5.0, 12.0, result(PENDING, PENDING).exercises[0].checks),),
)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (result(PENDING, PENDING, assignment="a1"), "the assignment is 'a8' .* and 'a1'"),
        (
            result(PENDING, PENDING, submission="b" * 64),
            "the submission is '' .* and 'bbbbbbbbbbbb'",
        ),
        (result(PENDING, PENDING, versions={"autograder": "2"}), "the autograder's version"),
        (result(PENDING, PENDING, exercises=()), "the list of exercises"),
        (OTHER_MAXIMUM, "the maximum of e is 10.0 in the first and 12.0 in the second"),
    ],
    ids=["assignment", "submission", "version", "exercises", "maximum"],
)
def test_results_that_do_not_belong_together_are_refused(other: Result, what: str) -> None:
    with pytest.raises(InputError, match=f"don't belong together: {what}"):
        merge(result((PASSED, 5.0), PENDING), other)


def test_other_checks_are_refused() -> None:
    fewer = result(PENDING, PENDING)
    exercise = replace(fewer.exercises[0], checks=fewer.exercises[0].checks[:1])
    with pytest.raises(InputError, match="the list of checks of e"):
        merge(fewer, replace(fewer, exercises=(exercise,)))


def write(path: Path, made: Result) -> str:
    path.write_text(json.dumps(made.to_json()))
    return str(path)


def test_the_command_merges_files(tmp_path: Path) -> None:
    cpu = write(tmp_path / "cpu.json", result((PASSED, 5.0), PENDING))
    gpu = write(tmp_path / "gpu.json", result(PENDING, (PASSED, 5.0)))
    out = tmp_path / "all.json"
    done = CliRunner().invoke(app, ["merge", cpu, gpu, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert Result.from_json(json.loads(out.read_text())).score == 10.0
    shown = CliRunner().invoke(app, ["merge", cpu, gpu])
    assert json.loads(shown.stdout)["score"] == 10.0


def test_the_command_says_what_is_pending_and_what_is_broken(tmp_path: Path) -> None:
    cpu = write(tmp_path / "cpu.json", result((PASSED, 5.0), PENDING))
    done = CliRunner().invoke(app, ["merge", cpu, cpu])
    assert "still to be timed: e/time" in done.stderr
    gpu = write(tmp_path / "gpu.json", result(PENDING, (ERROR, None)))
    broken = CliRunner().invoke(app, ["merge", cpu, gpu])
    assert broken.exit_code == 2
    assert "grader error: it broke" in broken.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "other"}'])
def test_the_command_refuses_what_is_no_result(tmp_path: Path, text: str) -> None:
    cpu = write(tmp_path / "cpu.json", result((PASSED, 5.0), PENDING))
    (tmp_path / "gpu.json").write_text(text)
    done = CliRunner().invoke(app, ["merge", cpu, str(tmp_path / "gpu.json")])
    assert isinstance(done.exception, InputError)
    assert "not a result of this autograder" in str(done.exception)
    missing = CliRunner().invoke(app, ["merge", cpu, str(tmp_path / "none.json")])
    assert "can't be read" in str(missing.exception)
