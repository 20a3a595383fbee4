"""Grading end to end through the sandbox: what a submission can be, and what it gets."""

from __future__ import annotations

import json

import pytest

from autograder.outcome import Outcome
from autograder.result import Result, Status
from autograder.submission import Submission


def grade(grader, source: str | None, **options) -> Result:
    files = {} if source is None else {"operators.py": source.encode()}
    return grader.grade(Submission.from_files(files), **options)


@pytest.fixture(scope="module")
def solution(operators) -> str:
    return operators.solution_files["operators.py"].decode()


def with_function(solution: str, source: str) -> str:
    return f"{solution}\n\n{source}\n"


def checks_of(result: Result, exercise: str):
    return next(e for e in result.exercises if e.id == exercise).checks


def test_the_solution_gets_everything_and_the_result_is_json(grader, solution):
    result = grade(grader, solution)
    assert (result.status, result.score, result.max_score) == (Status.GRADED, 100.0, 100.0)
    assert result.complete
    assert {check.outcome for e in result.exercises for check in e.checks} == {Outcome.PASSED}
    data = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert list(data)[:6] == ["format", "assignment", "title", "status", "score", "max_score"]
    assert Result.from_json(data) == result


def test_one_wrong_function_costs_its_exercise_only(grader, solution):
    wrong = with_function(solution, "def add_bias(x, b):\n    return x - b")
    result = grade(grader, wrong, only={"bias", "linear", "power"})
    assert [e.id for e in result.exercises if e.score] == ["linear", "bias", "power"]
    lost = {e.id: e.max_score - e.score for e in result.exercises if e.score}
    assert lost["linear"] == lost["power"] == 0
    assert 2 < lost["bias"] < 6


def test_a_known_mistake_gets_its_own_hint(grader, solution, operators):
    known = next(m for m in operators.misconceptions if m.exercise == "bias")
    from autograder.swap import swapped_source

    result = grade(grader, swapped_source(solution, known), only={"bias"})
    named = {c.failure.misconception for c in checks_of(result, "bias") if c.failure}
    assert known.id in named


def test_only_some_exercises(grader, solution):
    result = grade(grader, solution, only={"power"})
    assert result.score == 6.0
    assert result.max_score == 100.0
    assert {c.outcome for c in checks_of(result, "matmul")} == {Outcome.NOT_RUN}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (None, "operators.py is missing from the submission (found: none of them)"),
        ("def matmul(:\n", "operators.py:1: syntax error"),
        ("import torch.nn as nn\n", "operators.py:1: torch.nn is"),
        ("import scipy\n", "scipy"),
        ("1 / 0\n", "importing operators.py raised ZeroDivisionError: division by zero"),
        ("raise SystemExit(0)\n", "SystemExit"),
        ("import os\nos._exit(0)\n", "exit status 0"),
        ("x = '\0'\n", "null bytes"),
        ("", "does not define any of"),
    ],
    ids=[
        "missing",
        "syntax",
        "forbidden",
        "package",
        "raises",
        "exits",
        "vanishes",
        "null",
        "empty",
    ],
)
def test_what_cannot_be_used_is_rejected_with_a_line(grader, source, line):
    result = grade(grader, source, only={"matmul"})
    if source == "":
        # An empty file is a submission in which every function is missing.
        assert (result.status, result.score) == (Status.GRADED, 0.0)
        assert "is missing" in checks_of(result, "matmul")[0].failure.rationale
        return
    assert (result.status, result.score, result.max_score) == (Status.REJECTED, 0.0, 100.0)
    assert any(line in message for message in result.messages), result.messages
    assert {c.outcome for e in result.exercises for c in e.checks} == {Outcome.NOT_RUN}


def test_a_forbidden_call_costs_one_exercise_and_says_where(grader, solution):
    cheat = "def add_bias_backward(grad_output):\n    return torch.autograd.grad(grad_output, [])"
    result = grade(grader, with_function(solution, cheat), only={"bias", "power"})
    bias = checks_of(result, "bias")
    assert {c.outcome for c in bias} == {Outcome.FORBIDDEN}
    line = with_function(solution, cheat).splitlines().index(cheat.splitlines()[1]) + 1
    assert f"operators.py:{line}: torch.autograd.grad" in bias[0].failure.rationale
    assert result.score == 6.0


def test_a_tripwire_catches_what_the_rules_could_not_see(grader, solution):
    hidden = "def power(x, k):\n    f = [t for t in [torch.Tensor]][0]\n    x = x.clone()\n"
    hidden += "    m = 'require' + chr(115) + '_grad_'\n    getattr(x, m)()\n    return x ** k"
    result = grade(grader, with_function(solution, hidden), only={"power", "bias"})
    assert {c.outcome for c in checks_of(result, "power")} == {Outcome.FORBIDDEN}
    assert {c.outcome for c in checks_of(result, "bias")} == {Outcome.PASSED}


@pytest.mark.parametrize(
    ("body", "outcome", "words"),
    [
        ("return None", Outcome.FAILED, "must be a torch.Tensor"),
        ("return x.numpy()", Outcome.FAILED, "numpy.ndarray"),
        ("return x + b[0]", Outcome.FAILED, "wrong"),
        ("return (x + b).float()", Outcome.FAILED, "wrong dtype"),
        ("return (x + b)[None]", Outcome.FAILED, "wrong shape"),
        ("return x + c", Outcome.RAISED, "NameError"),
        ("raise KeyboardInterrupt", Outcome.RAISED, "KeyboardInterrupt"),
        ("import os; os._exit(0)", Outcome.CRASHED, "exit status 0"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
            Outcome.CRASHED,
            "segmentation",
        ),
        ("return bytearray(10**12)", Outcome.OUT_OF_MEMORY, "memory"),
        ("return torch.empty(10**12)", Outcome.OUT_OF_MEMORY, "memory"),
        ("raise NotImplementedError", Outcome.RAISED, "`add_bias` is not implemented yet"),
    ],
)
def test_a_fault_of_the_student_is_an_outcome(grader, solution, body, outcome, words):
    source = with_function(solution, f"def add_bias(x, b):\n    {body}")
    result = grade(grader, source, only={"bias"})
    first = checks_of(result, "bias")[0]
    assert result.status is Status.GRADED
    assert first.outcome is outcome, first.failure
    assert words in first.failure.rationale
    assert first.score == 0.0


def test_other_styles_of_a_right_answer_get_full_marks(grader, solution):
    styles = """
import numpy as np

class Adder:
    def __call__(self, x, b):
        return torch.from_numpy(np.add(x.numpy(), b.numpy()))

add_bias = Adder()

def add_bias_backward(grad_output, *, unused=None):
    d = grad_output.shape[-1]
    grad_b = torch.stack([grad_output[..., j].sum() for j in range(d)])
    return [grad_output, grad_b]

def matmul(x, w):
    return torch.einsum("...d,de->...e", x, w)

def matmul_backward(grad_output, x, w):
    grad_x = (w @ grad_output[..., None])[..., 0]
    rows = grad_output.reshape(-1, w.shape[1])
    grad_w = torch.zeros_like(w)
    for row, upstream in zip(x.reshape(-1, w.shape[0]), rows):
        grad_w = grad_w + torch.outer(row, upstream)
    return grad_x, grad_w.t().contiguous().t()
"""
    result = grade(grader, with_function(solution, styles), only={"bias", "matmul"})
    assert result.score == 18.0, [c for e in result.exercises for c in e.checks if c.failure]


def test_progress_reports_every_check_and_never_more_than_the_truth(grader, solution):
    seen: list[Result] = []
    result = grade(grader, solution, only={"bias"}, progress=seen.append)
    assert len(seen) == len(checks_of(result, "bias"))
    assert not any(partial.complete for partial in seen)
    assert [p.score for p in seen] == sorted(p.score for p in seen)
    assert {p.max_score for p in seen} == {100.0}


def test_the_same_submission_gets_the_same_result_twice(grader, solution):
    wrong = with_function(solution, "def power(x, k):\n    return x ** k + 1e-6")

    def told(result: Result):
        return [(c.id, c.outcome, c.failure) for e in result.exercises for c in e.checks]

    first = grade(grader, wrong, only={"power"})
    assert told(first) == told(grade(grader, wrong, only={"power"}))
    assert first.score < 6.0


def test_the_layers_are_in_the_result(grader, solution):
    result = grade(grader, solution, only={"bias"})
    assert set(result.isolation) >= {"uid", "landlock", "seccomp", "no_new_privs", "rlimits"}


def test_a_bug_of_ours_gives_no_score(grader, solution, monkeypatch):
    monkeypatch.setattr(grader, "_policy", lambda submission: 1 / 0)
    result = grade(grader, solution)
    assert (result.status, result.score) == (Status.GRADER_ERROR, None)
    assert "ZeroDivisionError" in (result.fault or "")
    assert {c.outcome for e in result.exercises for c in e.checks} == {Outcome.GRADER_ERROR}
    assert all(c.score is None for e in result.exercises for c in e.checks)
