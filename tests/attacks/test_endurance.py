"""What isn't one hostile call: budgets, killed graders, odd folders, junk at the worst moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from autograder.assignment import Assignment
from autograder.grade import Grader
from autograder.outcome import Outcome
from autograder.result import Status
from autograder.submission import Submission, read_submission

from .test_attacks import exercise, first_failed, judged, passed, wait_until


def test_a_submission_that_hangs_everywhere_is_graded_within_its_budget(
    guarded: Grader, operators: Assignment
) -> None:
    names = operators.config.functions
    source = "\n".join(f"def {name}(*a, **k):\n    while True: pass" for name in names)
    limits = replace(
        guarded.assignment.config.limits, call_seconds=0.5, exercise_seconds=1, total_seconds=3
    )
    config = replace(guarded.assignment.config, limits=limits)
    before, guarded.assignment = guarded.assignment, replace(guarded.assignment, config=config)
    began = time.monotonic()
    try:
        result = guarded.grade(Submission.from_files({"operators.py": source.encode()}))
    finally:
        guarded.assignment = before
    # A starved host may grant each deadline four times; then the budget stands.
    assert time.monotonic() - began < 4 * limits.total_seconds + 8
    assert result.status is Status.GRADED
    assert result.score == 0
    outcomes = {check.outcome for part in result.exercises for check in part.checks}
    assert outcomes == {Outcome.TIMED_OUT, Outcome.NOT_RUN}
    last = first_failed(result.exercises[-1]).failure
    assert last is not None
    assert "not run: the submission has used up its 3 seconds" in last.rationale


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os\nos._exit(0)", "ended the whole process with exit status 0"),
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        ("raise KeyboardInterrupt", "raised KeyboardInterrupt"),
        ("import os\nos.abort()", "abort"),
        ("x = bytearray(10**12)", "memory"),
        ("def matmul(x, w):\n    return x @@ w", "syntax error"),
        ("x = " + "(" * 5000 + ")" * 5000, "syntax error|nested"),
        ("x = " + "-" * 90_000 + "1", "nested too deep"),
        ("x = 1\0", "null byte"),
        ("# coding: no-such-codec\nx = 1", "encoding"),
        (b"x = '\xff'", "utf-8|UTF-8"),
        (b"\xff\xfex\x00", "null byte|UTF-16|utf-8"),
        ("import nowhere_to_be_found", "nowhere_to_be_found"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_can_not_be_imported_is_rejected_in_a_line(
    unguarded: Grader, source: str | bytes, words: str
) -> None:
    data = source if isinstance(source, bytes) else source.encode()
    result = unguarded.grade(Submission.from_files({"operators.py": data}), only=["bias"])
    said = " ".join(result.messages)
    assert result.status is Status.REJECTED, result.messages
    assert result.score == 0
    assert any(word.casefold() in said.casefold() for word in words.split("|")), said
    assert len(said) < 1000


@pytest.mark.parametrize(
    "transform",
    [
        pytest.param(lambda text: b"\xef\xbb\xbf" + text.encode(), id="byte order mark"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="CRLF"),
        pytest.param(
            lambda text: b"# -*- coding: latin-1 -*-\n" + text.encode("latin-1", "replace"),
            id="latin-1 cookie",
        ),
    ],
)
def test_an_odd_encoding_costs_nothing(
    unguarded: Grader, operators: Assignment, transform: object
) -> None:
    text = operators.solution_files["operators.py"].decode()
    data = transform(text)  # type: ignore[operator]
    result = unguarded.grade(Submission.from_files({"operators.py": data}), only=["bias"])
    assert result.score == exercise(result, "bias").max_score


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("del add_bias_backward", "is missing"),
        ("add_bias_backward = 3", "not callable: int"),
        ("async def add_bias_backward(grad_output): return 1", "coroutine"),
        ("def add_bias_backward(grad_output): yield 1", "generator"),
        ("def add_bias_backward(): pass", "takes 0 positional arguments"),
        ("class add_bias_backward:\n    def __init__(self, grad_output): pass", "plain|Tensor"),
    ],
)
def test_what_is_no_function_of_that_signature_is_named(
    unguarded: Grader, operators: Assignment, definition: str, words: str
) -> None:
    source = operators.solution_files["operators.py"].decode() + "\n" + definition
    submission = Submission.from_files({"operators.py": source.encode()})
    graded = exercise(unguarded.grade(submission, only=["bias"]), "bias")
    assert passed(graded) == {"forward"}
    failure = first_failed(graded).failure
    assert failure is not None
    assert any(word in failure.rationale for word in words.split("|")), failure


def test_other_files_of_a_submission_change_nothing(
    unguarded: Grader, operators: Assignment, tmp_path: Path
) -> None:
    hostile = "import os\nopen('/tmp/loot', 'w').write('x')\nos._exit(0)\n"
    others = ("conftest.py", "sitecustomize.py", "torch.py", "numpy.py", "pytest.py", "json.py",
              "test_everything.py", "usercustomize.py", "__init__.py")  # fmt: skip
    for name in others:
        (tmp_path / name).write_text(hostile)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    (tmp_path / "hook.pth").write_text("import os; os._exit(0)\n")
    (tmp_path / "operators.py").write_bytes(operators.solution_files["operators.py"])
    submission = read_submission(tmp_path, ["operators.py"])
    # What the rules saw is what runs, whatever happens to the file meanwhile.
    (tmp_path / "operators.py").write_text(hostile)
    result = unguarded.grade(submission, only=["bias"])
    assert result.score == exercise(result, "bias").max_score
    assert not Path("/tmp/loot").exists()


@pytest.mark.parametrize("junk", ["None", "'ab'", "(None, None)", "['a', 'b']", "2 ** 4000",
                                  "torch.ones(2, dtype=torch.bool)", "{'a': r}", "deep(15)",
                                  "(r[0], 'x')", "(r[0].to(torch.complex128), r[1])"])  # fmt: skip
def test_junk_in_mid_exercise_is_never_the_graders_fault(
    unguarded: Grader, operators: Assignment, canary: str, junk: str
) -> None:
    """Right for as long as the first checks last, then what gradcheck can't digest."""
    source = f"""
honest, calls = add_bias_backward, 0
def deep(n): return [deep(n - 1)] * 2 if n > 11 else 1
def add_bias_backward(grad_output):
    global calls
    calls += 1
    r = honest(grad_output)
    return r if calls <= 24 else {junk}
"""
    text = operators.solution_files["operators.py"].decode()
    result = judged(unguarded, text + source, "bias", canary)
    assert {"forward", "gradients"} <= passed(exercise(result, "bias"))
    assert first_failed(exercise(result, "bias")).outcome is Outcome.FAILED


def test_nothing_is_left_of_an_earlier_submission(
    unguarded: Grader, operators: Assignment, canary: str
) -> None:
    text = operators.solution_files["operators.py"].decode()
    leave = """
import builtins, sys, os
def add_bias_backward(grad_output):
    builtins.loot = torch.loot = sys.loot = os.environ["LOOT"] = "loot"
    sys.modules["loot"] = sys
    return None
"""
    find = """
import builtins, sys, os
def add_bias_backward(grad_output):
    places = [hasattr(builtins, "loot"), hasattr(torch, "loot"), hasattr(sys, "loot")]
    raise RuntimeError([*places, "LOOT" in os.environ, "loot" in sys.modules])
"""
    judged(unguarded, text + leave, "bias", canary)
    for _ in range(2):
        result = judged(unguarded, text + find, "bias", canary)
        failure = first_failed(exercise(result, "bias")).failure
        assert failure is not None
        assert "[False, False, False, False, False]" in failure.rationale


def test_a_killed_grader_takes_its_zygote_and_workers_along() -> None:
    script = dedent(
        """
        import sys
        from autograder.sandbox import Sandbox
        sandbox = Sandbox()
        worker = sandbox.spawn()
        print(worker.pid, sandbox._zygote.pid, flush=True)
        source = b"def run():\\n    while True: pass\\n"
        worker.load({"operators.py": source}, "operators", ("run",), timeout=20)
        print("loaded", flush=True)
        worker.call("run", (), {}, timeout=600)
        """
    )
    grader = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert grader.stdout is not None
    pids = [int(word) for word in grader.stdout.readline().split()]
    assert grader.stdout.readline() == "loaded\n"
    assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    os.kill(grader.pid, signal.SIGKILL)
    grader.wait()
    grader.stdout.close()
    assert wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


NUMERICAL = {
    "central differences": """
        def power_backward(grad_output, x, k):
            near, far = power(x + 1e-6, k), power(x - 1e-6, k)
            return grad_output * (near - far) * 5e5
        """,
    "eight points": """
        def power_backward(grad_output, x, k):
            h, total = 1e-2 * (x.abs() + 0.1), 0
            for i, c in ((1, 8 / 10), (2, -2 / 10), (3, 16 / 420), (4, -1 / 280)):
                total = total + c * (power(x + i * h, k) - power(x - i * h, k))
            return grad_output * total / h
        """,
    "a complex step": """
        def power_backward(grad_output, x, k):
            return grad_output * (((x + 1e-30j) ** k).imag / 1e-30)
        """,
}


@pytest.mark.parametrize("way", NUMERICAL)
def test_numerical_derivatives_earn_nothing(
    guarded: Grader, operators: Assignment, way: str
) -> None:
    source = operators.solution_files["operators.py"].decode() + dedent(NUMERICAL[way])
    submission = Submission.from_files({"operators.py": source.encode()})
    graded = exercise(guarded.grade(submission, only=["power"]), "power")
    assert "gradients" not in passed(graded)


def test_an_intricate_source_does_not_hold_up_the_grader() -> None:
    script = dedent(
        """
        from autograder.policy import Policy, SourceError, check_source
        lines = ["import torch, math", "a = [torch, math, torch.linalg, torch.fft]"]
        lines += [f"a = [b.c{i} for b in a] + a" for i in range(320)]
        try:
            check_source("\\n".join(lines).encode(), "operators.py", ("f",),
                         Policy(rules=("no-autodiff", "no-evasion")))
        except SourceError:
            pass
        """
    )
    subprocess.run([sys.executable, "-c", script], timeout=30, check=True)
