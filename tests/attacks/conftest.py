"""What the attacks are graded with: a warm grader with the real policy, and one without any."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.assignment import Assignment
from autograder.config import Limits
from autograder.grade import Grader
from autograder.policy import Policy

LIMITS = Limits(
    import_seconds=4, call_seconds=1, exercise_seconds=4, total_seconds=12, memory_mib=512
)


@pytest.fixture(scope="session")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A secret that lies where the real ones do: a staff file, the environment, our memory."""
    token = f"canary-{secrets.token_hex(16)}"
    path = tmp_path_factory.mktemp("staff") / "expected.txt"
    path.write_text(token)
    path.chmod(0o600)
    os.environ["STAFF_TOKEN"] = token
    os.environ["STAFF_FILE"] = str(path)
    yield token
    del os.environ["STAFF_TOKEN"], os.environ["STAFF_FILE"]


@pytest.fixture(scope="session")
def staff_file(canary: str) -> Path:
    """The file that holds the canary."""
    return Path(os.environ["STAFF_FILE"])


@pytest.fixture(scope="session")
def guarded(operators: Assignment, canary: str) -> Iterator[Grader]:
    """The real policy, with limits short enough for tests."""
    config = replace(operators.config, limits=LIMITS)
    with Grader(replace(operators, config=config)) as grader:
        yield grader


@pytest.fixture(scope="session")
def unguarded(operators: Assignment, canary: str) -> Iterator[Grader]:
    """No policy and no tripwires: the sandbox alone."""
    config = replace(operators.config, limits=LIMITS, policy=Policy(rules=()))
    with Grader(replace(operators, config=config)) as grader:
        yield grader
