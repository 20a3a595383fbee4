"""Results to play with, and stand-ins for the grader's process."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from autograder.outcome import Failure, Outcome
from autograder.platforms.supervisor import Order
from autograder.result import CheckResult, ExerciseResult, Result, Status


@pytest.fixture
def result() -> Result:
    """A finished result: 3 of 5 points."""
    checks = (
        CheckResult("one/a", "a works", Outcome.PASSED, 3.0, 3.0),
        CheckResult("one/b", "b works", Outcome.FAILED, 0.0, 2.0, failure=Failure("`f` is wrong")),
    )
    return Result(
        "a1_operators", "Nine", Status.GRADED, 3.0, 5.0,
        (ExerciseResult("one", "One", 3.0, 5.0, checks),), seconds=1.25,
    )  # fmt: skip


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(tmp_path / "submission", tmp_path, "a1_operators", seconds=60)


@pytest.fixture
def grader_that(tmp_path: Path, result: Result):
    """A command for `supervise`: Python code with `send(dict)` and the dicts `part` and `whole`."""

    def make(code: str) -> tuple[str, ...]:
        whole = result.to_json()
        facts = {"whole": whole, "part": whole | {"complete": False}}
        (tmp_path / "facts.json").write_text(json.dumps(facts))
        script = f"""
            import json, os, sys, time, signal
            facts = json.load(open({str(tmp_path / "facts.json")!r}))
            whole, part = facts["whole"], facts["part"]
            def send(message):
                with open(int(sys.argv[1]), "wb", closefd=False) as pipe:
                    pipe.write(json.dumps(message).encode() + b"\\n")
            def say(text):
                open({str(tmp_path / "said")!r}, "w").write(text)
        """
        return (sys.executable, "-c", dedent(script) + dedent(code))

    return make
